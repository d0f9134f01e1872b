"""Three of a demo's captions, for a person to read: one English, one Chinese, one of a set."""

from __future__ import annotations

from pathlib import Path

import msgspec

_WANTED = ("single_image_en", "single_image_zh", "multi_image_en")


def three_captions(export_folder: Path) -> list[str]:
    """``image names: caption`` of the first row of three of the exported files."""
    texts = []
    for kind in _WANTED:
        for path in export_folder.glob(f"*_{kind}.jsonl"):
            with path.open("rb") as file:
                first = file.readline()
            if first:
                row = msgspec.json.decode(first)
                images = row["image"] if isinstance(row["image"], list) else [row["image"]]
                texts.append(f"{', '.join(images)}\n  {row['conversations'][1]['value']}")
    return texts
