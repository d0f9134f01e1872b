"""The captioner's architecture, and the throw-away head that teaches its vision tower to see.

An ``InternVLForConditionalGeneration`` of 3.8M parameters: vision 4 layers of width 192, text (Qwen2) 4
layers of width 192, heads of 64 dimensions as lmdeploy's kernels want them, 16 tokens an image.
"""

import torch
from byte_bpe import IMAGE_CONTEXT, PAD, TURN_END, token_id
from tokenizers import Tokenizer
from torch import nn
from transformers import InternVLConfig, InternVLForConditionalGeneration

IMAGE_SIDE_PX = 112
PATCH_SIDE_PX = 14
IMAGE_TOKENS = 16
WIDTH = 192
LONGEST_SEQUENCE_TOKENS = 1024


def captioner_config(tokenizer: Tokenizer) -> InternVLConfig:
    """The configuration for ``tokenizer``'s vocabulary."""
    end_id, pad_id = token_id(tokenizer, TURN_END), token_id(tokenizer, PAD)
    vision = {
        "hidden_size": WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
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
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "num_key_value_heads": 3,
        "intermediate_size": 448,
        "vocab_size": tokenizer.get_vocab_size(),
        "max_position_embeddings": LONGEST_SEQUENCE_TOKENS,
        "rope_theta": 10000.0,
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


def build_captioner(tokenizer: Tokenizer) -> InternVLForConditionalGeneration:
    """A fresh captioner in float32. Position embeddings start as noise, not as the library's zeros."""
    model = InternVLForConditionalGeneration(captioner_config(tokenizer))
    embeddings = model.model.vision_tower.embeddings
    nn.init.normal_(embeddings.position_embeddings, std=0.02)
    nn.init.normal_(embeddings.cls_token, std=0.02)
    return model


def image_tokens(model: InternVLForConditionalGeneration, pixels: torch.Tensor) -> torch.Tensor:
    """float[n, 3, 112, 112], normalised, to the projected tokens float[n, 16, 192]."""
    features = model.model.get_image_features(
        pixels, vision_feature_layer=-1, vision_feature_select_strategy="default", return_dict=True
    )
    tokens: torch.Tensor = features.pooler_output
    return tokens
