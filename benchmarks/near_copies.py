"""Thresholds and sets of corpora in which many images have copies, compared with the same images alone.

    python -m benchmarks.near_copies [--photographs FOLDER]

Comes in: synthetic embeddings and, if a folder is named, photographs. Goes out: one table. Copies are added
to a corpus in several ways: near copies of up to 90% of the images, exact copies, several copies of each,
frames of a video, thumbnails of photographs. For each, the table has the number of copies that were set
aside, of sets with an image and its copy, of other images that were lost as duplicates, of images in sets,
and the share of the pairs in sets that are also together without copies. In corpora of equal or nearly equal
rows, all but one image should be set aside.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

import triptych
from benchmarks.record import record, refuse_dirty_tree
from tests.support.copied_corpora import KINDS, Copied, equal_rows
from tests.support.made_up_corpus import make_corpus
from triptych.grouping.library import Groups
from triptych.records import Duplicate, ImageSet
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_jsonl

THUMBNAIL_PX = 128


def judge(copied: Copied, groups: Groups, alone: Groups) -> dict[str, Any]:
    """How copies were treated, and how the other images are grouped compared with ``alone``."""
    origin = [str(each) for each in copied.origin]
    in_alone = pairs_of(alone.sets, lambda key: key)
    in_copied = pairs_of(groups.sets, lambda key: origin[int(key)])
    aside = sum(origin[int(each.key)] == origin[int(each.of)] for each in groups.duplicates)
    lost = len(groups.duplicates) - aside - len(alone.duplicates)
    assert groups.thresholds is not None
    return {
        "copies": len(origin) - len(set(origin)),
        "set_aside": aside,
        "others_set_aside": lost,
        "sets": len(groups.sets),
        "sets_with_a_copy": sum(
            len({origin[int(key)] for key in each.keys}) < len(each.keys) for each in groups.sets
        ),
        "images_in_sets": sum(len(each.keys) for each in groups.sets),
        "images_in_sets_alone": sum(len(each.keys) for each in alone.sets),
        "pairs_as_alone": round(len(in_copied & in_alone) / max(1, len(in_copied)), 3),
        "related": groups.thresholds.related,
        "duplicate": groups.thresholds.duplicate,
        "warning": groups.thresholds.warning,
    }


def pairs_of(sets: Sequence[ImageSet], name: Any) -> set[frozenset[str]]:
    """All pairs of images in the same set; ``name`` maps keys to the names to compare."""
    return {frozenset(pair) for each in sets for pair in combinations(map(name, each.keys), 2)}


def embeddings_table() -> dict[str, Any]:
    """Every kind of copies, on themes of equal size and on the corpus of the other benchmarks."""
    table: dict[str, Any] = {}
    for name, make in KINDS.items():
        copied = make()
        alone = triptych.group(copied.rows[: copied.images])
        table[name] = judge(copied, triptych.group(copied.rows), alone)
    corpus = make_corpus(5_000, seed=1)
    rows = corpus.rows[corpus.copy_of < 0].astype(np.float32)
    alone = triptych.group(rows)
    rng = np.random.default_rng(2)
    for share in (0.0, 0.3, 0.6, 0.9):
        first = rng.choice(len(rows), int(share * len(rows)), replace=False)
        noise = rng.standard_normal((len(first), rows.shape[1]))
        noise *= 0.15 / np.linalg.norm(noise, axis=1, keepdims=True)
        both = Copied(
            np.concatenate([rows, rows[first] + noise]), np.append(np.arange(len(rows)), first), len(rows)
        )
        table[f"made-up corpus of 5,000, {share:.0%} copied"] = judge(both, triptych.group(both.rows), alone)
    for cosine in (1.0, 0.9997):
        groups = triptych.group(equal_rows(cosine))
        assert groups.thresholds is not None
        table[f"2,000 rows at {cosine} to one"] = {
            "set_aside": len(groups.duplicates),
            "sets": len(groups.sets),
            "warning": groups.thresholds.warning,
        }
    return table


def photographs_table(photographs: Path) -> dict[str, Any]:
    """Photographs alone and with a thumbnail of each, grouped by a run with the embedded model."""
    table: dict[str, Any] = {}
    for folder in sorted(path for path in photographs.iterdir() if path.is_dir()):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        with tempfile.TemporaryDirectory() as scratch:
            for number, path in enumerate(paths):
                write_both(Image.open(path), Path(scratch), f"{number:04d}")
            alone = grouped(Path(scratch, "alone"), Path(scratch, "run-alone"))
            both = grouped(Path(scratch, "both"), Path(scratch, "run-both"))
        table[folder.name] = {"photographs": len(paths), **compare(alone, both)}
    return table


def write_both(picture: Image.Image, folder: Path, name: str) -> None:
    """Write ``picture`` to ``alone``, and with its thumbnail to ``both``."""
    picture = picture.convert("RGB")
    small = picture.copy()
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    for at, image in (("alone", picture), ("both", picture), ("both", small)):
        path = folder / at / f"{name}{'-small' if image is small else ''}.jpg"
        path.parent.mkdir(exist_ok=True)
        image.save(path, "JPEG", quality=90)


class GroupedRun:
    """Duplicates, sets and notes of a run."""

    def __init__(self, path: Path) -> None:
        folder = RunFolder.open(path)
        self.duplicates = list(read_jsonl(folder.duplicates_file, Duplicate))
        self.sets = list(read_jsonl(folder.sets_file, ImageSet))
        self.notes = folder.run_file.stages["sets"].notes


def grouped(source: Path, run: Path) -> GroupedRun:
    """Group ``source`` by the command, with the embedded model."""
    command = [sys.executable, "-m", "triptych", "group", str(source), "--out", str(run)]
    subprocess.run([*command, "--set", "embedding.model=builtin:nano-clip"], check=True, capture_output=True)
    return GroupedRun(run)


def compare(alone: GroupedRun, both: GroupedRun) -> dict[str, Any]:
    """The figures of photographs with thumbnails, compared with the photographs alone."""

    def origin(key: str) -> str:
        return key.replace("-small", "")

    aside = sum(origin(each.key) == origin(each.of) for each in both.duplicates)
    in_alone, in_both = pairs_of(alone.sets, origin), pairs_of(both.sets, origin)
    return {
        "thumbnails_set_aside": aside,
        "others_set_aside": len(both.duplicates) - aside - len(alone.duplicates),
        "sets_with_a_copy": sum(len(set(map(origin, each.keys))) < len(each.keys) for each in both.sets),
        "sets": {"alone": len(alone.sets), "both": len(both.sets)},
        "images_in_sets": {
            "alone": sum(len(each.keys) for each in alone.sets),
            "both": sum(len(each.keys) for each in both.sets),
        },
        "pairs_as_alone": round(len(in_both & in_alone) / max(1, len(in_both)), 3),
        **{
            name: {"alone": alone.notes[name], "both": both.notes[name]}
            for name in ("related_cosine_similarity", "duplicate_cosine_similarity")
        },
        "warning": both.notes.get("thresholds_warning", ""),
    }


@click.command()
@click.option("--photographs", type=click.Path(path_type=Path, exists=True, file_okay=False), default=None)
def main(photographs: Path | None) -> None:
    """Make the table and record it."""
    refuse_dirty_tree()
    measured: dict[str, Any] = {"embeddings": embeddings_table()}
    if photographs is not None:
        measured["photographs"] = photographs_table(photographs)
    record("near_copies", "python -m benchmarks.near_copies --photographs FOLDER", measured)


if __name__ == "__main__":
    main()
