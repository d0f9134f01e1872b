"""The stage ``sets``: duplicates, and sets of the images that stay.

Comes in: a run with finished embeddings, a config. Goes out: duplicates.jsonl and sets.jsonl, and whether
there was anything to do. It goes on where a killed run stopped. Not its job: embeddings (see stage); how sets
are found (see sets).
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from triptych.grouping.config import SetsConfig
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.jsonl import write_jsonl
from triptych.runs.ledger.noted import as_note

if TYPE_CHECKING:
    from triptych.grouping.sets.growing import Before
    from triptych.grouping.sets.image_table import ImageTable
    from triptych.grouping.sets.thresholds import Thresholds
    from triptych.records import ImageSet

SETS_DATA_VERSION = 5
"""Of group and the folders neighbours and sets. Raise it when the same embeddings would give other sets."""


def make_sets(run: RunContext, config: SetsConfig) -> bool:
    """Find duplicates and group the images that stay. Returns whether there was work.

    Raises SetupError where the folder's sets were made with other settings, or an embeddings file
    is damaged.
    """
    folder, settings = run.folder, sets_settings(config)
    inputs = {"images": folder.digest("images"), "embeddings": folder.digest("embeddings")}
    folder.goes_on_afresh("sets", settings, inputs)
    state = folder.run_file.stages.get("sets")
    if state is not None and (state.inputs != inputs or "sets" in folder.made_again):
        shutil.rmtree(folder.scratch_folder, ignore_errors=True)  # checkpoints of other images
    if not folder.begin_stage("sets", settings, inputs):
        # What a run left that was killed in its last instant.
        shutil.rmtree(folder.scratch_folder, ignore_errors=True)
        return False
    from triptych.grouping.sets import group_images
    from triptych.grouping.sets.image_table import load_image_table

    began = time.monotonic()
    table, before = load_image_table(folder), _found_before(folder)
    duplicates, sets, thresholds, notes = group_images(
        table, config, folder.scratch_folder, run.progress, before
    )
    write_jsonl(folder.duplicates_file, duplicates)
    write_jsonl(folder.sets_file, sets)
    grouped = sum(len(each.keys) for each in sets)
    for line in (
        *_what_stayed(before, sets, table),
        f"sets: {len(sets):,} of {grouped:,} images; {len(duplicates):,} duplicates,"
        f" {len(table.keys) - len(duplicates) - grouped:,} images single",
        *_where_from(thresholds),
    ):
        run.progress.say(line)
    figures: dict[str, Setting] = {
        "sets": len(sets),
        "images_in_sets": grouped,
        "duplicates": len(duplicates),
        "duplicates_by": as_note(Counter(each.reason for each in duplicates)),
        **notes,
        "took_s": round(time.monotonic() - began, 1),
    }
    folder.finish_stage("sets", figures)
    shutil.rmtree(folder.scratch_folder, ignore_errors=True)
    return True


def _what_stayed(before: Before | None, sets: Sequence[ImageSet], table: ImageTable) -> Iterator[str]:
    if before is None:
        return
    stayed = len({each.id for each in before.sets} & {each.id for each in sets})
    yield f"sets: {stayed:,} of {len(before.sets):,} stay; `triptych group --regroup` makes all again"
    if 2 * int((table.batches > 0).sum()) > len(table.keys):
        yield "note: most images have come since the thresholds were chosen; --regroup chooses new ones"


def _where_from(thresholds: Thresholds | None) -> Iterator[str]:
    if thresholds is None:
        return
    related, duplicate = thresholds.related, thresholds.duplicate
    yield f"sets: related from {related}, duplicates from {duplicate} ({thresholds.why})"
    if thresholds.warning:
        yield (
            f"warning: {thresholds.warning}; look at the sets, or name the thresholds: --set"
            " sets.duplicate_cosine_similarity=0.95 --set sets.related_cosine_similarity=0.8 --fresh sets"
        )


def sets_settings(config: SetsConfig) -> dict[str, Setting]:
    """What sets depend on, besides embeddings."""
    settings: dict[str, Setting] = {"data_version": SETS_DATA_VERSION, **msgspec.to_builtins(config)}
    del settings["threads"], settings["device"]  # they change how fast sets come, not which
    return settings


def _found_before(folder: RunFolder) -> Before | None:
    """What was found of fewer or other images; None where sets were never made or are to be made anew."""
    from triptych.grouping.sets import noted_thresholds
    from triptych.grouping.sets.growing import Before

    thresholds = noted_thresholds(folder.run_file.stages["sets"].notes)
    if thresholds is None or not folder.sets_file.exists() or not folder.duplicates_file.exists():
        return None
    return Before(list(folder.duplicates()), list(folder.sets()), thresholds)
