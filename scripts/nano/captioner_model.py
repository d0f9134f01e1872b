"""The architecture of the captioner and the checker.

An ``InternVLForConditionalGeneration`` of 3.8M parameters: vision 4 layers of width 192, text (Qwen2) 4
layers of width 192, heads of 64 dimensions as lmdeploy's kernels want them, 16 tokens an image. The checker
has more layers of text.
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
"""Of the captioner."""
LONGEST_SEQUENCE_TOKENS = 1024
ROPE_THETA = 10000.0


def captioner_config(tokenizer: Tokenizer, text_layers: int = TEXT_LAYERS) -> InternVLConfig:
    """The configuration for ``tokenizer``'s vocabulary."""
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
        "max_position_embeddings": LONGEST_SEQUENCE_TOKENS,
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
    """A fresh captioner in float32. Position embeddings start as noise, not as the library's zeros."""
    model = InternVLForConditionalGeneration(captioner_config(tokenizer, text_layers))
    embeddings = model.model.vision_tower.embeddings
    nn.init.normal_(embeddings.position_embeddings, std=0.02)
    nn.init.normal_(embeddings.cls_token, std=0.02)
    return model


def start_from(model: InternVLForConditionalGeneration, tokenizer: Tokenizer, folder: Path) -> None:
    """Give ``model`` the weights in ``folder``, of the same architecture with a tokenizer of its own.

    Tokens are the same where their text is; those that ``folder`` hasn't keep the weights they have.
    """
    before = InternVLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    rows = model.get_input_embeddings().weight.detach().clone()
    old = load_tokenizer(folder / "tokenizer.json").get_vocab()
    for token, at in tokenizer.get_vocab().items():
        if token in old:
            rows[at] = before.get_input_embeddings().weight[old[token]].detach()
    kept = {name: weight for name, weight in before.state_dict().items() if len(weight) != len(old)}
    model.load_state_dict(kept, strict=False)
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(rows)


def text_layers_in(folder: Path) -> int:
    """How many the model in ``folder`` has."""
    return int(InternVLConfig.from_pretrained(folder).text_config.num_hidden_layers)


def image_features(
    model: InternVLForConditionalGeneration, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Of ``pixels``, float[n, 3, side, side]: the vision tower's patches, and the tokens made of them."""
    features = model.model.get_image_features(
        pixels, vision_feature_layer=-1, vision_feature_select_strategy="default", return_dict=True
    )
    return features.last_hidden_state[:, 1:], features.pooler_output


def with_images(
    model: InternVLForConditionalGeneration, input_ids: torch.Tensor, image_tokens: torch.Tensor
) -> torch.Tensor:
    """The embeddings of ``input_ids``, with ``image_tokens`` in place, in order."""
    embedded = model.get_input_embeddings()(input_ids)
    is_image = (input_ids == model.config.image_token_id).unsqueeze(-1)
    return embedded.masked_scatter(is_image, image_tokens.to(embedded.dtype))
