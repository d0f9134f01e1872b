"""The architecture of the captioner and the checker.

An ``InternVLForConditionalGeneration`` of 3.8M parameters: vision 4 layers of width 192, text (Qwen2) 4
layers of width 192, heads of 64 dimensions as lmdeploy's kernels require, 16 tokens per image. The checker
has more text layers.
"""

from pathlib import Path

import torch
from byte_bpe import IMAGE_CONTEXT, PAD, TURN_END, load_tokenizer, token_id
from tokenizers import Tokenizer
from torch import nn
from transformers import InternVLConfig, InternVLForConditionalGeneration

IMAGE_SIDE_PX = 112
PATCH_SIDE_PX = 14
IMAGE_TOKENS = 16
WIDTH = 192
HEADS = 3
TEXT_LAYERS = 4
"""Of the captioner; the checker has more."""
MAX_SEQUENCE_TOKENS = 1024
ROPE_THETA = 10000.0


def captioner_config(tokenizer: Tokenizer, text_layers: int = TEXT_LAYERS) -> InternVLConfig:
    """The model's configuration, with ``tokenizer``'s vocabulary."""
    end_id, pad_id = token_id(tokenizer, TURN_END), token_id(tokenizer, PAD)
    vision = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": HEADS,
        "attention_bias": True,
        "intermediate_size": 640,
        "image_size": [IMAGE_SIDE_PX, IMAGE_SIDE_PX],
        "patch_size": [PATCH_SIDE_PX, PATCH_SIDE_PX],
        "layer_scale_init_value": 1.0,
    }
    text = {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": WIDTH,
        "num_hidden_layers": text_layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "intermediate_size": 448,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": MAX_SEQUENCE_TOKENS,
        "rope_theta": ROPE_THETA,
        "tie_word_embeddings": True,
        "bos_token_id": None,
        "eos_token_id": end_id,
        "pad_token_id": pad_id,
    }
    return InternVLConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=token_id(tokenizer, IMAGE_CONTEXT),
        image_seq_length=IMAGE_TOKENS,
        tie_word_embeddings=True,
        architectures=["InternVLForConditionalGeneration"],
    )


def build_captioner(tokenizer: Tokenizer, text_layers: int = TEXT_LAYERS) -> InternVLForConditionalGeneration:
    """A newly initialised model in float32. Position embeddings start as noise, not as the usual zeros."""
    model = InternVLForConditionalGeneration(captioner_config(tokenizer, text_layers))
    embeddings = model.model.vision_tower.embeddings
    nn.init.normal_(embeddings.position_embeddings, std=0.02)
    nn.init.normal_(embeddings.cls_token, std=0.02)
    return model


def load_weights(model: InternVLForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Load the weights in ``folder``, whose tokenizer may differ and which may have fewer text layers.

    Token embeddings are matched by the tokens' text. Weights that ``folder`` doesn't have stay as they are.
    """
    source = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    rows = model.get_input_embeddings().weight.detach().clone()
    source_vocab = load_tokenizer(folder / "tokenizer.json").get_vocab()
    for token, at in tokenizer.get_vocab().items():
        if token in source_vocab:
            rows[at] = source.get_input_embeddings().weight[source_vocab[token]].detach()
    state = source.state_dict()
    others = {name: weight for name, weight in state.items() if len(weight) != len(source_vocab)}
    model.load_state_dict(others, strict=False)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(rows)


def count_text_layers(folder: Path) -> int:
    """The number of text layers of the model in ``folder``."""
    return int(InternVLConfig.from_pretrained(folder).text_config.num_hidden_layers)


def image_features(
    model: InternVLForConditionalGeneration, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The vision tower's patches of ``pixels``, float[n, 3, side, side], and their image tokens."""
    features = model.model.get_image_features(
        pixels, vision_feature_layer=-1, vision_feature_select_strategy="default", return_dict=True
    )
    return features.last_hidden_state[:, 1:], features.pooler_output


def embed_with_images(
    model: InternVLForConditionalGeneration, input_ids: torch.Tensor, image_tokens: torch.Tensor
) -> torch.Tensor:
    """The embeddings of ``input_ids``, with ``image_tokens`` put in at the image positions, in order."""
    embedded = model.get_input_embeddings()(input_ids)
    is_image = (input_ids == model.config.image_token_id).unsqueeze(-1)
    return embedded.masked_scatter(is_image, image_tokens.to(embedded.dtype))
