"""A demo's captions, sets and duplicates, held against the truth of its scenes.

Comes in: the folder of a finished demo. Goes out: figures, and what falls short of the demo's bounds.

A caption names ``(colour, kind)`` pairs. Recall: the share of the things shown that the caption names with
the right colour. Wrong share: the share of the things named that are not there. For a set, a thing counts
for the image that the caption puts it in; what its opening says that all images share is held against each
of them in the two figures with "opening" in their name. All captions count, also those that the filter
rejects.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from scripts.nano.reading import read_set, read_shared, read_things
from triptych.demo.archive import Picture
from triptych.jobs import SEED_JOBS, Job
from triptych.runs.folder import RunFolder

BOUNDS = {"image": (0.90, 0.10), "set": (0.80, 0.20)}
"""Least recall and largest wrong share that the demo is held to, by what a caption is of."""


def score_captions(run: RunFolder, truth: dict[str, Picture], job: Job) -> dict[str, float]:
    """Recall and wrong share over all captions of a job."""
    sets = {image_set.id: image_set.keys for image_set in run.sets()}
    shown = named = right = captions = opening_named = opening_wrong = untrue_openings = 0
    for shard in run.shards():
        for caption in run.captions(job.name, shard):
            if caption.failure is not None:
                continue
            captions += 1
            target = caption.id.partition(":")[2]
            keys = sets[target] if job.is_multi else (target,)
            found = (
                read_set(caption.text, job.language, len(keys))
                if job.is_multi
                else [read_things(caption.text, job.language)]
            )
            for key, things in zip(keys, found, strict=True):
                there, told = Counter(map(tuple, truth[key].things)), Counter(map(tuple, things))
                shown += there.total()
                named += told.total()
                right += (there & told).total()
            if job.is_multi:
                claimed = set(read_shared(caption.text, job.language))
                missing = [len(claimed - set(map(tuple, truth[key].things))) for key in keys]
                opening_named += len(claimed) * len(keys)
                opening_wrong += sum(missing)
                untrue_openings += any(missing)
    opening = {
        "wrong_share_with_opening": round((named - right + opening_wrong) / max(named + opening_named, 1), 4),
        "untrue_openings_share": round(untrue_openings / max(captions, 1), 4),
    }
    return {
        "captions": captions,
        "things_shown": shown,
        "recall": round(right / max(shown, 1), 4),
        "wrong_share": round(1 - right / max(named, 1), 4),
        **(opening if job.is_multi else {}),
    }


def score_grouping(run: RunFolder, truth: dict[str, Picture]) -> dict[str, float]:
    """How many sets hold one theme, and how many planted copies were found."""
    sets = list(run.sets())
    pure = sum(len({truth[key].theme for key in image_set.keys}) == 1 for image_set in sets)
    found = {frozenset((duplicate.key, duplicate.of)) for duplicate in run.duplicates()}
    planted = {
        kind: [frozenset((p.key, p.of or "")) for p in truth.values() if p.planted == kind]
        for kind in ("exact copy", "near copy")
    }
    every_pair = {pair for pairs in planted.values() for pair in pairs}
    return {
        "sets": len(sets),
        "images_in_sets": sum(len(image_set.keys) for image_set in sets),
        "one_theme_share": round(pure / max(len(sets), 1), 4),
        "exact_copies_found": round(
            sum(pair in found for pair in planted["exact copy"]) / len(planted["exact copy"]), 4
        ),
        "near_copies_found": round(
            sum(pair in found for pair in planted["near copy"]) / len(planted["near copy"]), 4
        ),
        "duplicates_that_were_not_planted": len(found - every_pair),
    }


def missed_bounds(scores: dict[str, dict[str, float]]) -> list[str]:
    """What falls short of the demo's bounds, in words."""
    missed = []
    for job in SEED_JOBS:
        least_recall, largest_wrong = BOUNDS[job.subject]
        if scores[job.name]["recall"] < least_recall:
            missed.append(f"{job.name}: recall {scores[job.name]['recall']} < {least_recall}")
        if scores[job.name]["wrong_share"] > largest_wrong:
            missed.append(f"{job.name}: wrong share {scores[job.name]['wrong_share']} > {largest_wrong}")
    grouping = scores["grouping"]
    for name, least in (("one_theme_share", 0.9), ("exact_copies_found", 1.0), ("near_copies_found", 0.9)):
        if grouping[name] < least:
            missed.append(f"grouping: {name} {grouping[name]} < {least}")
    return missed


def score_demo(folder: Path) -> dict[str, dict[str, float]]:
    """All scores of a finished demo."""
    run = RunFolder.open(folder / "run")
    lines = (folder / "truth.jsonl").read_bytes().splitlines()
    truth = {p.key: p for p in (msgspec.json.decode(line, type=Picture) for line in lines)}
    scores: dict[str, dict[str, float]] = {job.name: score_captions(run, truth, job) for job in SEED_JOBS}
    scores["grouping"] = score_grouping(run, truth)
    return scores
