"""A random CLIP that is small enough to be made in a test, and run folders of made-up vectors."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.grouping.config import SetsConfig
from triptych.grouping.embedding.preprocess import InputShape, resize_to
from triptych.grouping.sets import Grouped, group_images
from triptych.grouping.sets.image_table import load_image_table
from triptych.progress import Silent
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl, written_whole

TINY_CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "layers": 1, "width": 64, "head_width": 64},
    "text_cfg": {"context_length": 8, "vocab_size": 64, "width": 64, "heads": 1, "layers": 1},
}


def save_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Write an open_clip folder with random weights for TINY_CONFIG, and return it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    model = open_clip.CLIP(**TINY_CONFIG)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    config = {"model_cfg": TINY_CONFIG, "preprocess_cfg": {"resize_mode": "squash"}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def seen_by(shape: InputShape, pictures: Sequence[Image.Image]) -> NDArray[np.uint8]:
    """RGB pictures as an encoder with this input shape sees them: ``uint8[n, height, width, 3]``."""
    return np.stack([resize_to(shape, picture, *picture.size).framed for picture in pictures])


def as_unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    """Each row scaled to length 1, in float32."""
    wide = rows.astype(np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)


def make_run(
    path: Path, vectors: Mapping[str, NDArray[np.float32]], shards: int = 1, **fields: Mapping[str, object]
) -> RunFolder:
    """A run folder of embedded images, with ``vectors`` by key, distributed over ``shards`` in turn.

    ``fields`` are fields of ImageRecord, each with its values by key.
    """
    run = RunFolder.create_or_open(path)
    for shard in range(shards):
        keys = list(vectors)[shard::shards]
        rows = np.array([vectors[key] for key in keys], np.float16).reshape(len(keys), -1 if keys else 2)
        with written_whole(run.embeddings_file(f"shard-{shard}")) as file:
            np.save(file, rows)
        records = [
            ImageRecord(
                key=key,
                **{  # type: ignore[arg-type]
                    "width_px": 100,
                    "height_px": 100,
                    "size_bytes": 1000,
                    "content_hash": key,
                    **{name: values[key] for name, values in fields.items() if key in values},
                },
            )
            for key in keys
        ]
        write_jsonl(run.images_file(f"shard-{shard}"), records)
    return run


def group(units: NDArray[np.float32], config: SetsConfig, folder: Path, **fields: list[object]) -> Grouped:
    """Group images 000.jpg, 001.jpg... with these vectors. ``fields`` are fields of ImageRecord, in order."""
    keys = [f"{number:03d}.jpg" for number in range(len(units))]
    named = {name: dict(zip(keys, values, strict=True)) for name, values in fields.items()}
    run = make_run(folder / "run", dict(zip(keys, units, strict=True)), **named)
    return group_images(load_image_table(run), config, folder / "scratch", Silent())


def at_degrees(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors in a plane, at these angles."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
