"""Model folders without weights, from which lmdeploy builds InternVL's preprocessing in its real size.

Comes in: a folder to create. Goes out: a config, a tokenizer (the embedded model's, since preprocessing only
needs the id of the image token) and, for the Hugging Face format, a processor config. The vision settings are
those of InternVL2: up to 12 tiles of 448 pixels, and a thumbnail. float16, because for bfloat16 lmdeploy
checks what the GPU supports.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from triptych.models import resolve_model

TILE_PX = 448
MAX_TILES = 12
TOKENS_PER_TILE = 256

_NANO = Path(resolve_model("builtin:nano-internvl"))


def write_chat_format(folder: Path) -> Path:
    """InternVLChatModel, the format of InternVL2-Llama3-76B and all other original releases."""
    _copy_tokenizer(folder)
    config = {
        "architectures": ["InternVLChatModel"],
        "model_type": "internvl_chat",
        "dtype": "float16",
        "downsample_ratio": 0.5,
        "dynamic_image_size": True,
        "force_image_size": TILE_PX,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": MAX_TILES,
        "use_thumbnail": True,
        "vision_config": {"image_size": TILE_PX, "patch_size": 14},
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def write_hf_format(folder: Path) -> Path:
    """InternVLForConditionalGeneration, the format of releases whose names end in -hf."""
    _copy_tokenizer(folder)
    config = json.loads((_NANO / "config.json").read_text())
    config["vision_config"]["image_size"] = [TILE_PX, TILE_PX]
    config["image_seq_length"] = TOKENS_PER_TILE
    (folder / "config.json").write_text(json.dumps(config))
    processor = json.loads((_NANO / "processor_config.json").read_text())
    processor["image_seq_length"] = TOKENS_PER_TILE
    processor["image_processor"] |= {
        "size": {"height": TILE_PX, "width": TILE_PX},
        "max_patches": MAX_TILES,
    }
    (folder / "processor_config.json").write_text(json.dumps(processor))
    return folder


def _copy_tokenizer(folder: Path) -> None:
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(_NANO / name, folder / name)
