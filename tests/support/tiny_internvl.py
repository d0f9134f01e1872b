"""A captioner with random weights, in the folder format of a real one.

Comes in: an empty folder. Goes out: the Hugging Face folder of an InternVL of some 0.2M parameters, with
112-pixel tiles, 16 tokens each, and a byte-level BPE. It writes nonsense, always the same for the same
pixels, and different for others.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    PreTrainedTokenizerFast,
)

TILE_PX = 112
TOKENS_PER_TILE = 16
WIDTH = 64
PAD, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
IMAGE_CONTEXT = "<IMG_CONTEXT>"
SPECIAL_TOKENS = [PAD, TURN_START, TURN_END, "<img>", "</img>", IMAGE_CONTEXT, "<video>"]
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<IMG_CONTEXT>\\n' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_tiny_internvl(folder: Path) -> Path:
    """Write the model folder, and return it."""
    tokenizer = _tokenizer()
    torch.manual_seed(20261121)
    model = InternVLForConditionalGeneration(_config(tokenizer))
    _spread(model)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    size = {"height": TILE_PX, "width": TILE_PX}
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size=size, crop_to_patches=True, min_patches=1, max_patches=12),
        tokenizer,
        InternVLVideoProcessor(size=size),
        image_seq_length=TOKENS_PER_TILE,
        chat_template=CHAT_TEMPLATE,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _spread(model: InternVLForConditionalGeneration) -> None:
    """Make weights so large that the text depends on the picture, and ends now and then."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() >= 2:
                torch.nn.init.normal_(parameter, std=0.25 if "vision" in name else 0.2)
            elif "cls_token" in name or "position" in name:
                torch.nn.init.normal_(parameter, std=0.2)


def _tokenizer() -> PreTrainedTokenizerFast:
    prompts = Path(__file__).parents[2] / "triptych" / "prompts"
    names = ("multi_en", "multi_zh", "single_en", "single_zh")
    texts = [tomllib.loads((prompts / f"{name}.toml").read_text("utf-8"))["text"] for name in names]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=SPECIAL_TOKENS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={
            "start_image_token": "<img>",
            "end_image_token": "</img>",
            "context_image_token": IMAGE_CONTEXT,
            "video_token": "<video>",
        },
    )


def _config(tokenizer: PreTrainedTokenizerFast) -> InternVLConfig:
    return InternVLConfig(
        vision_config={
            "hidden_size": WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "intermediate_size": 128,
            "image_size": [TILE_PX, TILE_PX],
            "patch_size": [14, 14],
            "layer_scale_init_value": 1.0,
        },
        text_config={
            "model_type": "qwen2",
            "hidden_size": WIDTH,
            "num_hidden_layers": 2,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
            "intermediate_size": 128,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 2048,
            "tie_word_embeddings": False,
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        image_token_id=tokenizer.convert_tokens_to_ids(IMAGE_CONTEXT),
        image_seq_length=TOKENS_PER_TILE,
        tie_word_embeddings=False,
    )
