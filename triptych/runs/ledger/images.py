"""Counts of images, screened ones, duplicates and sets, from the files that list them.

Comes in: a run folder. Goes out: counts, and contradictions in words. Each number is counted, none is derived
from the others, so that a mismatch shows. Not its job: captions (see captions).
"""

from __future__ import annotations

from collections import Counter

import msgspec

from triptych.records import GONE, Duplicate, ImageRecord, ImageSet, Screened, reason_class
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_whole_jsonl


class ImageCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of every file that was found. None: not known yet."""

    found: int | None = None
    unreadable: dict[str, int] | None = None
    """By class of reason."""
    screened: dict[str, int] | None = None
    """Readable images that a screen left out, by screen."""
    duplicates: dict[str, int] | None = None
    """By reason."""
    in_sets: int | None = None
    """Members of sets."""
    single: int | None = None
    """Readable images that are neither in a set nor a duplicate nor screened out."""
    sets: int | None = None
    gone: int | None = None
    """Images that were embedded and are no longer in the sources. They don't count as found."""


def recount_images(run: RunFolder) -> tuple[ImageCounts, list[str]]:
    """The counts, and a line for each contradiction. Counts of stages that haven't finished are None."""
    if not run.shards():
        return ImageCounts(), []
    if not run.is_finished("sets"):
        files, contradictions = _count_files(run, _Keys([], [], []))
        return msgspec.structs.replace(files, single=None), contradictions
    duplicates, sets, screened = list(run.duplicates()), list(run.sets()), list(run.screened())
    keys = _Keys(duplicates, sets, screened)
    files, contradictions = _count_files(run, keys)
    contradictions += _contradictory_screened(screened, keys)
    contradictions += _contradictory_duplicates(duplicates, keys)
    contradictions += _contradictory_sets(sets, keys)
    counts = msgspec.structs.replace(
        files,
        screened=dict(sorted(Counter(each.reason for each in screened).items())),
        duplicates=dict(sorted(Counter(each.reason for each in duplicates).items())),
        in_sets=sum(len(each.keys) for each in sets),
        sets=len(sets),
    )
    return counts, contradictions


class _Keys:
    """The image keys in the files of screens, duplicates and sets, and which of them are readable images."""

    def __init__(self, duplicates: list[Duplicate], sets: list[ImageSet], screened: list[Screened]) -> None:
        self.screened = {each.key for each in screened}
        self.duplicates = {duplicate.key for duplicate in duplicates}
        self.members = {key for image_set in sets for key in image_set.keys}
        self.not_single = self.screened | self.duplicates | self.members
        self.named = self.not_single | {duplicate.of for duplicate in duplicates}
        self.readable: set[str] = set()


def _count_files(run: RunFolder, keys: _Keys) -> tuple[ImageCounts, list[str]]:
    """Count found, unreadable, single and gone images, and contradictions. Fills ``keys.readable``."""
    found = single = gone = 0
    unreadable: Counter[str] = Counter()
    contradictions = []
    for shard in run.shards():
        records = read_whole_jsonl(run.images_file(shard), ImageRecord)
        gone += sum((record.unreadable or "").startswith(GONE) for record in records)
        records = [record for record in records if not record.is_gone]
        found += len(records)
        if len({record.key for record in records}) != len(records):
            where, times = run.images_file(shard), Counter(record.key for record in records)
            contradictions += [f"image {key} is listed twice in {where}" for key, n in times.items() if n > 1]
        unreadable.update(
            reason_class(record.unreadable) for record in records if record.unreadable is not None
        )
        readable = [record.key for record in records if record.unreadable is None]
        keys.readable |= keys.named.intersection(readable)
        single += sum(key not in keys.not_single for key in readable)
    by_class = dict(sorted(unreadable.items()))
    return ImageCounts(found=found, unreadable=by_class, single=single, gone=gone), contradictions


def _contradictory_screened(screened: list[Screened], keys: _Keys) -> list[str]:
    contradictions = []
    for each in screened:
        if each.key not in keys.readable:
            contradictions.append(f"{each.key}, which is screened out, is no readable image of the run")
        if each.key in keys.duplicates or each.key in keys.members:
            contradictions.append(f"{each.key} is screened out, and a duplicate or in a set")
    times = Counter(each.key for each in screened)
    return contradictions + [f"{key} is screened out {n} times" for key, n in times.items() if n > 1]


def _contradictory_duplicates(duplicates: list[Duplicate], keys: _Keys) -> list[str]:
    contradictions = []
    for duplicate in duplicates:
        if duplicate.key not in keys.readable:
            contradictions.append(f"duplicate {duplicate.key} is no readable image of the run")
        if duplicate.of not in keys.readable:
            contradictions.append(
                f"{duplicate.of}, of which {duplicate.key} is a duplicate, is no readable image of the run"
            )
        if duplicate.of in keys.duplicates:
            contradictions.append(f"{duplicate.key} is a duplicate of {duplicate.of}, itself a duplicate")
    times = Counter(duplicate.key for duplicate in duplicates)
    return contradictions + [f"duplicate {key} is listed {n} times" for key, n in times.items() if n > 1]


def _contradictory_sets(sets: list[ImageSet], keys: _Keys) -> list[str]:
    contradictions = []
    set_of: dict[str, str] = {}
    ids: set[str] = set()
    for image_set in sets:
        if image_set.id in ids:
            contradictions.append(f"set {image_set.id} is listed twice")
        ids.add(image_set.id)
        for key in image_set.keys:
            if key in set_of:
                contradictions.append(f"image {key} is in two sets: {set_of[key]} and {image_set.id}")
            set_of[key] = image_set.id
            if key in keys.duplicates:
                contradictions.append(f"image {key} of set {image_set.id} is a duplicate")
            if key not in keys.readable:
                contradictions.append(f"image {key} of set {image_set.id} is no readable image of the run")
    return contradictions
