"""The share of damaged JPEGs that are detected, and of intact ones that are refused.

    python -m benchmarks.damaged_pictures PHOTOGRAPHS

Every photograph in the folder is read as it is, re-encoded in 27 ways, and damaged in each way of
tests/support/damaged_files.py. For damaged copies that are not detected, the share of changed pixels is
recorded. Without photographs the benchmark is skipped with one line and exit code 0.
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
"""What embedding requests for an input of 224 pixels."""

MAX_FALSE_ALARM_RATE = 1 / 10_000
MIN_DETECTED_SHARE = {"cut": 1.0, "cut_and_ended": 0.99, "without_last_scan": 0.99}

FORMS: tuple[dict[str, int], ...] = (
    {},
    {"progressive": True},
    {"optimize": True, "restart_marker_rows": 2},
)
WAYS = [
    {"quality": quality, "subsampling": subsampling, **form}
    for quality, subsampling, form in product((50, 85, 95), (0, 1, 2), FORMS)
]


def reencoded(content: bytes) -> Iterator[bytes]:
    """The photograph as other programs might have written it."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for way in WAYS:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", **way)
        yield buffer.getvalue()


def refusal(content: bytes) -> str | None:
    """Why the decoder refuses a file, or None if it accepts it."""
    try:
        decode_rgb(content, DRAFT_SIDE_PX)
    except UnreadableImageError as error:
        return str(error)
    return None


def false_alarms(photographs: list[bytes]) -> dict[str, Any]:
    """How many intact files are refused, and why."""
    unchanged = Counter(filter(None, map(refusal, photographs)))
    anew = Counter(filter(None, (refusal(each) for content in photographs for each in reencoded(content))))
    return {
        "photographs": len(photographs),
        "refused": unchanged.total(),
        "written_anew": len(photographs) * len(WAYS),
        "refused_anew": anew.total(),
        "reasons": dict(unchanged + anew),
    }


def seen_shares(photographs: list[bytes]) -> dict[str, dict[str, Any]]:
    """For each kind of damage the share that is detected, and how much of the others has changed."""
    rng = Random(1)
    progressive = [list(reencoded(content))[4] for content in photographs[::8]]
    ways = {name: (photographs, damage) for name, damage in DAMAGE.items()}
    ways["without_last_scan"] = (progressive, without_last_scan)
    found = {}
    for name, (contents, damage) in ways.items():
        passed = [
            _changed_share(content, damaged)
            for content in contents
            if refusal(damaged := damage(content, rng)) is None
        ]
        found[name] = {
            "copies": len(contents),
            "seen": round(1 - len(passed) / len(contents), 4),
            "median_share_of_pixels_changed_where_not": (
                round(statistics.median(passed), 5) if passed else None
            ),
        }
    return found


def _changed_share(content: bytes, damaged: bytes) -> float:
    """The share of pixels that differ by more than 8 of 255 in any colour."""
    whole, other = (np.asarray(decode_rgb(each)[0], np.int16) for each in (content, damaged))
    return float((np.abs(whole - other) > 8).any(axis=2).mean()) if whole.shape == other.shape else 1.0


@click.command()
@click.argument("folder", metavar="PHOTOGRAPHS", type=click.Path(path_type=Path), required=False)
def main(folder: Path | None) -> None:
    """Measure and record; exit 1 if too much damage is missed or too many intact files are refused."""
    refuse_dirty_tree()
    paths = sorted(folder.rglob("*.[jJ][pP]*[gG]")) if folder is not None else []
    if not paths:
        print("damaged_pictures: skipped, because there are no photographs; name a folder that has some")
        return
    photographs = [path.read_bytes() for path in paths]
    measured = {"whole": false_alarms(photographs), "damaged": seen_shares(photographs)}
    record("damaged_pictures", "python -m benchmarks.damaged_pictures PHOTOGRAPHS", measured)
    whole = measured["whole"]
    refused = (whole["refused"] + whole["refused_anew"]) / (whole["photographs"] + whole["written_anew"])
    seen = all(measured["damaged"][name]["seen"] >= least for name, least in MIN_DETECTED_SHARE.items())
    sys.exit(0 if refused < MAX_FALSE_ALARM_RATE and seen else 1)


if __name__ == "__main__":
    main()
