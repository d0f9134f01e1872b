"""Writes the model folders that ship in the package.

Comes in: weights in float32, the tokenizer. Goes out: a folder for transformers and lmdeploy, or one for
open_clip, with float16 safetensors. A file gets its final name only when it is complete.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from byte_bpe import IMAGE_CONTEXT, wrap_for_captioner, wrap_for_clip
from captioner_model import IMAGE_SIDE_PX, IMAGE_TOKENS, captioner_config
from clip_model import CONTEXT_LENGTH, clip_config
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import (
    GenerationConfig,
    GotOcr2ImageProcessor,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ['image', 'image_url'] %}{{ '" + IMAGE_CONTEXT + "\\n' }}"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""InternVL3's template, shortened: parts in order, a newline after each image, as lmdeploy renders it."""


def export_captioner(weights: Mapping[str, torch.Tensor], tokenizer: Tokenizer, folder: Path) -> None:
    """Write the folder of a captioner or checker with ``weights`` by parameter name, float16 on disk."""
    wrapped = wrap_for_captioner(tokenizer, CHAT_TEMPLATE)
    layers = {int(name.split(".")[3]) for name in weights if name.startswith("model.language_model.layers.")}
    config = captioner_config(tokenizer, len(layers))
    config.dtype = torch.float16
    model = InternVLForConditionalGeneration(config)
    model.load_state_dict(dict(weights))
    model.to(torch.float16)
    model.generation_config = GenerationConfig(
        do_sample=False,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
        max_new_tokens=320,
    )
    size = {"height": IMAGE_SIDE_PX, "width": IMAGE_SIDE_PX}
    images = GotOcr2ImageProcessor(
        size=size,
        crop_to_patches=True,
        min_patches=1,
        max_patches=1,
        image_mean=IMAGENET_MEAN,
        image_std=IMAGENET_STD,
    )
    videos = InternVLVideoProcessor(size=size, image_mean=IMAGENET_MEAN, image_std=IMAGENET_STD)
    processor = InternVLProcessor(
        images, wrapped, videos, image_seq_length=IMAGE_TOKENS, chat_template=CHAT_TEMPLATE
    )
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        processor.save_pretrained(scratch)
        _copy_files(Path(scratch), folder)


def export_clip(weights: Mapping[str, torch.Tensor], tokenizer: Tokenizer, folder: Path) -> None:
    """Write the CLIP's folder for open_clip's ``local-dir:`` names: ``weights`` by name, float16 on disk."""
    wrapped = wrap_for_clip(tokenizer, CONTEXT_LENGTH)
    config = {
        "model_cfg": clip_config(tokenizer),
        "preprocess_cfg": {
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
            "interpolation": "bicubic",
            "resize_mode": "squash",
        },
    }
    with tempfile.TemporaryDirectory() as scratch:
        wrapped.save_pretrained(scratch)
        halves = {name: tensor.to(torch.float16).contiguous() for name, tensor in weights.items()}
        save_file(halves, Path(scratch) / "open_clip_model.safetensors")
        (Path(scratch) / "open_clip_config.json").write_text(
            json.dumps(config, indent=2) + "\n", encoding="utf-8"
        )
        _copy_files(Path(scratch), folder)


def _copy_files(source: Path, folder: Path) -> None:
    """Copy each file of ``source`` into ``folder`` under a temporary name, then rename it."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        partial = folder / f".{file.name}.partial"
        shutil.copyfile(file, partial)
        partial.replace(folder / file.name)
