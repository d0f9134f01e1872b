"""Share of damaged JPEGs that are seen, and of whole ones that are taken for damaged.

    python -m benchmarks.damaged_pictures PHOTOGRAPHS

Each photograph below the folder is read as it is and written anew in 27 ways, and is damaged in each way of
tests/support/damaged_files.py. Of the damaged copies that pass, it is noted how much of the picture has
changed. Without a folder of photographs there is nothing to measure: one line says so, and it ends with 0.
"""

from __future__ import annotations

import io
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.record import record, refuse_dirty_tree
from tests.support.damaged_files import DAMAGE, without_last_scan
from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb

DRAFT_SIDE_PX = 246
"""What embedding asks for at 224 pixels."""

MOST_FALSE_ALARMS = 1 / 10_000
LEAST_SEEN = {"cut": 1.0, "cut_and_ended": 0.99, "without_last_scan": 0.99}

FORMS: tuple[dict[str, int], ...] = (
    {},
    {"progressive": True},
    {"optimize": True, "restart_marker_rows": 2},
)
WAYS = [
    {"quality": quality, "subsampling": subsampling, **form}
    for quality, subsampling, form in product((50, 85, 95), (0, 1, 2), FORMS)
]


def written_anew(content: bytes) -> Iterator[bytes]:
    """The photograph as other programs could have written it."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for way in WAYS:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", **way)
        yield buffer.getvalue()


def why_not(content: bytes) -> str | None:
    """What is said of a file that isn't taken for whole."""
    try:
        decode_rgb(content, DRAFT_SIDE_PX)
    except UnreadableImageError as error:
        return str(error)
    return None


def false_alarms(photographs: list[bytes]) -> dict[str, Any]:
    """Whole files that are refused, with the reasons."""
    as_they_are = Counter(filter(None, map(why_not, photographs)))
    anew = Counter(filter(None, (why_not(each) for content in photographs for each in written_anew(content))))
    return {
        "photographs": len(photographs),
        "refused": as_they_are.total(),
        "written_anew": len(photographs) * len(WAYS),
        "refused_anew": anew.total(),
        "reasons": dict(as_they_are + anew),
    }


def seen_shares(photographs: list[bytes]) -> dict[str, dict[str, Any]]:
    """For each kind of damage the share that is refused, and what the others look like."""
    chance = Random(1)
    progressive = [list(written_anew(content))[4] for content in photographs[::8]]
    ways = {name: (photographs, made) for name, made in DAMAGE.items()}
    ways["without_last_scan"] = (progressive, without_last_scan)
    found = {}
    for name, (contents, made) in ways.items():
        passed = [
            _changed(content, damaged)
            for content in contents
            if why_not(damaged := made(content, chance)) is None
        ]
        found[name] = {
            "copies": len(contents),
            "seen": round(1 - len(passed) / len(contents), 4),
            "median_share_of_pixels_changed_where_not": round(statistics.median(passed), 5)
            if passed
            else None,
        }
    return found


def _changed(content: bytes, damaged: bytes) -> float:
    """The share of pixels that are more than 8 of 255 from what they were, in any colour."""
    whole, other = (np.asarray(decode_rgb(each)[0], np.int16) for each in (content, damaged))
    return float((np.abs(whole - other) > 8).any(axis=2).mean()) if whole.shape == other.shape else 1.0


@click.command()
@click.argument("folder", metavar="PHOTOGRAPHS", type=click.Path(path_type=Path), required=False)
def main(folder: Path | None) -> None:
    """Measure and commit; exit 1 where too much is missed, or anything whole is refused too often."""
    refuse_dirty_tree()
    paths = sorted(folder.rglob("*.[jJ][pP]*[gG]")) if folder is not None else []
    if not paths:
        print("damaged_pictures: skipped, as there is no folder of photographs; name one")
        return
    photographs = [path.read_bytes() for path in paths]
    measured = {"whole": false_alarms(photographs), "damaged": seen_shares(photographs)}
    record("damaged_pictures", "python -m benchmarks.damaged_pictures PHOTOGRAPHS", measured)
    whole = measured["whole"]
    refused = (whole["refused"] + whole["refused_anew"]) / (whole["photographs"] + whole["written_anew"])
    seen = all(measured["damaged"][name]["seen"] >= least for name, least in LEAST_SEEN.items())
    sys.exit(0 if refused < MOST_FALSE_ALARMS and seen else 1)


if __name__ == "__main__":
    main()
