"""The stage ``sets``: screens images out, finds duplicates, and makes sets of the images that are kept.

Comes in: a run with finished embeddings, a config. Goes out: screened.jsonl, duplicates.jsonl and sets.jsonl,
and whether there was work to do. A killed run is resumed where it stopped. Not its job: embeddings (see
stage); measures and screens (see screens); how sets are found (see sets).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from triptych.errors import UsageError
from triptych.grouping.config import SetsConfig
from triptych.grouping.screens import Screening, screen_thresholds
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.jsonl import write_jsonl
from triptych.runs.ledger.noted import as_note
from triptych.sources.loose_files import LooseFiles, LooseShard
from triptych.sources.shard import Shard
from triptych.sources.texts import Texts

if TYPE_CHECKING:
    from triptych.grouping.sets.groups import GroupConstraint
    from triptych.grouping.sets.image_table import ImageTable
    from triptych.grouping.sets.incremental import PreviousGrouping
    from triptych.grouping.sets.thresholds import Thresholds
    from triptych.records import Duplicate, ImageSet, SetKind

SETS_DATA_VERSION = 9
"""Version of the code below neighbours and sets. Raise it when the same embeddings would give other sets."""

FOLDER = "folder"
"""Value of ``together`` or ``apart``: images are grouped by their folder, also inside archives."""


def make_sets(run: RunContext, config: SetsConfig, sources: Sequence[Shard] = ()) -> bool:
    """Find duplicates and group the remaining images. Returns whether there was work to do.

    Groups for the config's ``together`` or ``apart`` are read from ``sources``. Raises SetupError if the
    folder's sets were made with other settings or an embeddings file is damaged, UsageError if the config
    names groups and no image has one.
    """
    folder, settings = run.folder, sets_settings(config)
    inputs = {"images": folder.digest("images"), "embeddings": folder.digest("embeddings")}
    folder.resume_fresh("sets", settings, inputs)
    if not folder.has_work("sets", settings, inputs):
        # left by a run that was killed after finishing the stage
        shutil.rmtree(folder.scratch_folder, ignore_errors=True)
        return False
    from triptych.grouping.sets import group_images
    from triptych.grouping.sets.image_table import load_image_table

    began = time.monotonic()
    screening = _screen(run, config)
    table = load_image_table(folder, without={each.key for each in screening.screened})
    groups = _groups(folder, config, sources, table.keys)
    _begin(folder, settings, inputs)  # only now: with a misspelt group, the existing sets are kept
    before = _previous_grouping(folder)
    if run.cluster is not None:
        run.progress.say("cluster: neighbours are searched on its nodes, sets are packed on this machine")
    duplicates, sets, thresholds, notes = group_images(
        table, config, folder.scratch_folder, run.progress, before, groups, run.cluster
    )
    write_jsonl(folder.screened_file, screening.screened)
    write_jsonl(folder.screen_scores_file, screening.scores())
    write_jsonl(folder.duplicates_file, duplicates)
    write_jsonl(folder.sets_file, sets)
    grouped = sum(len(each.keys) for each in sets)
    for line in (
        *_lines_on_kept_sets(before, sets, table),
        f"sets: {len(sets):,} of {grouped:,} images; {len(duplicates):,} duplicates,"
        f" {len(table.keys) - len(duplicates) - grouped:,} images single",
        *_lines_on_kinds(config, before, sets),
        *_lines_on_thresholds(thresholds),
    ):
        run.progress.say(line)
    counts = _counts(duplicates, sets, groups)
    counts["screened"] = len(screening.screened)
    counts["screened_by"] = as_note(Counter(each.reason for each in screening.screened))
    folder.finish_stage("sets", {**counts, **notes, "took_s": round(time.monotonic() - began, 1)})
    shutil.rmtree(folder.scratch_folder, ignore_errors=True)
    return True


def _begin(folder: RunFolder, settings: Mapping[str, Setting], inputs: Mapping[str, str]) -> None:
    state = folder.run_file.stages.get("sets")
    if state is not None and (state.inputs != inputs or "sets" in folder.fresh_stages):
        shutil.rmtree(folder.scratch_folder, ignore_errors=True)  # checkpoints of other images
    folder.begin_stage("sets", settings, inputs)


def _counts(
    duplicates: Sequence[Duplicate], sets: Sequence[ImageSet], groups: GroupConstraint | None
) -> dict[str, Setting]:
    """As run.json notes them."""
    return {
        "sets": len(sets),
        "images_in_sets": sum(len(each.keys) for each in sets),
        "duplicates": len(duplicates),
        "duplicates_by": as_note(Counter(each.reason for each in duplicates)),
        "sets_by_kind": as_note(Counter(each.kind for each in sets)),
        "sets_by_size": as_note(Counter(str(len(each.keys)) for each in sets)),
        **({} if groups is None else {"images_without_group": int((groups.group_of < 0).sum())}),
    }


def _screen(run: RunContext, config: SetsConfig) -> Screening:
    """Screen every readable image and log what is left out."""
    screening = Screening(config.screens)
    for shard in run.folder.shards():
        screening.look_at([record for record in run.folder.images(shard) if record.unreadable is None])
    by_reason = Counter(each.reason for each in screening.screened)
    if by_reason:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(by_reason.items()))
        run.progress.say(f"sets: {by_reason.total():,} images screened out: {reasons}")
    if screening.unmeasured:
        run.progress.say(
            f"note: {screening.unmeasured:,} images were embedded by a version that took no measures, so some"
            " screens skip them; --fresh embeddings measures them"
        )
    return screening


def _lines_on_kept_sets(
    before: PreviousGrouping | None, sets: Sequence[ImageSet], table: ImageTable
) -> Iterator[str]:
    if before is None:
        return
    kept = len({each.id for each in before.sets} & {each.id for each in sets})
    yield f"sets: {kept:,} of {len(before.sets):,} are kept; `triptych group --regroup` makes all again"
    if 2 * int((table.batches > 0).sum()) > len(table.keys):
        yield "note: most images were added after the thresholds were chosen; --regroup chooses new ones"


def _lines_on_kinds(
    config: SetsConfig, before: PreviousGrouping | None, sets: Sequence[ImageSet]
) -> Iterator[str]:
    """Counts by kind, and why there are fewer of a kind than requested."""
    if not config.has_other_kinds:
        return
    found = Counter(each.kind for each in sets)
    yield f"sets: {found['related']:,} related, {found['varied']:,} varied, {found['contrast']:,} contrast"
    kept = {each.id for each in before.sets} if before is not None else set()
    new_related = sum(each.kind == "related" and each.id not in kept for each in sets)
    is_full = bool(kept) and config.max_sets is not None and len(sets) >= config.max_sets
    shares: dict[SetKind, float] = {"varied": config.varied_share, "contrast": config.contrast_share}
    for kind, share in shares.items():
        wanted = round(share * len(sets))
        if found[kind] >= wanted:
            continue
        possible = found[kind] + (new_related if kind == "contrast" else 0 if is_full else wanted)
        if possible > found[kind]:
            yield f"note: {wanted:,} {kind} sets were requested; too few single images are unlike enough"
        if kept and possible < wanted:
            yield (
                f"note: {wanted:,} {kind} sets were requested; too few sets are new, and earlier ones are"
                " kept unchanged: `triptych group --regroup` makes all again"
            )


def _groups(
    folder: RunFolder, config: SetsConfig, sources: Sequence[Shard], keys: Sequence[str]
) -> GroupConstraint | None:
    """The group of each image, as ``config`` defines it; None if it doesn't."""
    field = config.together or config.apart
    if not field:
        return None
    from triptych.grouping.sets.groups import group_constraint

    if field == FOLDER:
        loose = next((each.loose for each in sources if isinstance(each, LooseShard)), LooseFiles({}, {}))
        names = [_folder_of(key, loose) for key in keys]
    else:
        names = _field_values(folder, field, sources, keys)
    if keys and not any(names):
        setting = "together" if config.together else "apart"
        raise UsageError(
            f"sets.{setting} is {field!r}, but no image has that; expected {FOLDER}, a key of the .json"
            " beside an image, or a Parquet column",
            key=f"sets.{setting}",
        )
    return group_constraint(names, together=bool(config.together))


def _folder_of(key: str, loose: LooseFiles) -> str:
    """Folder of an image: its parent, inside an archive if it is in one, or the archive itself."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.dirname(loose.path_of(key))
    return key.rpartition("/")[0] or "."


def _field_values(folder: RunFolder, field: str, sources: Sequence[Shard], keys: Sequence[str]) -> list[str]:
    """The value of ``field`` in the sources for each of the sorted ``keys``; "" where it has none."""
    shards = {shard.name: shard for shard in sources}
    names = [""] * len(keys)
    for name in folder.shards():
        if name not in shards:
            continue
        texts = Texts(shards[name], field)
        for image in folder.images(name):
            at = bisect_left(keys, image.key)
            if keys[at : at + 1] == [image.key]:
                names[at] = texts.of(image.key)
    return names


def _lines_on_thresholds(thresholds: Thresholds | None) -> Iterator[str]:
    if thresholds is None:
        return
    related, duplicate = thresholds.related, thresholds.duplicate
    yield f"sets: related from {related}, duplicates from {duplicate} ({thresholds.why})"
    if thresholds.warning:
        yield (
            f"warning: {thresholds.warning}; check the sets, or set the thresholds: --set"
            " sets.duplicate_cosine_similarity=0.95 --set sets.related_cosine_similarity=0.8 --fresh sets"
        )


def sets_settings(config: SetsConfig) -> dict[str, Setting]:
    """Everything that sets depend on, besides embeddings."""
    settings: dict[str, Setting] = {"data_version": SETS_DATA_VERSION, **msgspec.to_builtins(config)}
    del settings["threads"], settings["device"]  # affect speed only
    del settings["screens"]
    return settings | {f"screens.{name}": found for name, found in screen_thresholds(config.screens).items()}


def _previous_grouping(folder: RunFolder) -> PreviousGrouping | None:
    """What was found with fewer or other images; None if sets were never made or are to be made again."""
    from triptych.grouping.sets import noted_thresholds
    from triptych.grouping.sets.incremental import PreviousGrouping

    thresholds = noted_thresholds(folder.run_file.stages["sets"].notes)
    if thresholds is None or not folder.sets_file.exists() or not folder.duplicates_file.exists():
        return None
    return PreviousGrouping(list(folder.duplicates()), list(folder.sets()), thresholds)
