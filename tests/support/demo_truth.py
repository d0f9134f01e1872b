"""Compares a demo's captions, sets and duplicates with the truth about its scenes.

Comes in: the folder of a finished demo. Goes out: scores, and the demo's bounds that they miss.

Captions name things as ``(colour, kind)`` pairs. Recall is the share of the things shown that the caption
names with the right colour. Wrong share is the share of the things named that are not in the image. In a set,
a thing counts for the image that the caption assigns it to. Untrue share is the share of captions with an
untrue statement (theme, number of things, a thing, its place, what images share); for sets there is also the
share with an untrue statement about all images together. All captions count, including those that the filter
rejects, except in the figures of kept captions.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec

from scripts.nano.reading import read_images, untrue_statements
from triptych.demo.archive import Picture
from triptych.demo.scene import PLACES, Scene, Thing
from triptych.jobs import SEED_JOBS, Job
from triptych.runs.folder import RunFolder

BOUNDS = {"image": (0.94, 0.05), "set": (0.94, 0.05)}
"""The minimum recall and the maximum wrong share that the demo must reach, by subject."""

MAX_UNTRUE_SHARE = 0.1
"""The maximum share of sets' captions with an untrue statement about all images."""


def scene_of(picture: Picture) -> Scene:
    """The scene that the picture shows."""
    places = PLACES[len(picture.things)]
    things = (
        Thing(kind, colour, place) for (colour, kind), place in zip(picture.things, places, strict=True)
    )
    return Scene(picture.theme, tuple(things), 0)


def score_captions(run: RunFolder, truth: dict[str, Picture], job: Job) -> dict[str, float]:
    """Recall, wrong share and untrue shares over all captions of a job."""
    sets = {image_set.id: image_set.keys for image_set in run.sets()}
    shown = named = right = captions = untrue = untrue_of_all = kept = kept_untrue = 0
    for shard in run.shards():
        verdicts = {verdict.id: verdict.keep for verdict in run.verdicts(job.name, shard)}
        for caption in run.captions(job.name, shard):
            if caption.failure is not None:
                continue
            target = caption.id.partition(":")[2]
            keys = sets[target] if job.is_multi else (target,)
            described = read_images(caption.text, job.language, len(keys))
            for key, things in zip(keys, described, strict=True):
                actual, stated = Counter(map(tuple, truth[key].things)), Counter(map(tuple, things))
                shown += actual.total()
                named += stated.total()
                right += (actual & stated).total()
            denied = untrue_statements(caption.text, job.language, [scene_of(truth[key]) for key in keys])
            captions += 1
            untrue += bool(denied)
            untrue_of_all += any(len(each.images) == len(keys) for each in denied)
            kept += verdicts[caption.id]
            kept_untrue += verdicts[caption.id] and bool(denied)
    return {
        "captions": captions,
        "things_shown": shown,
        "recall": round(right / max(shown, 1), 4),
        "wrong_share": round(1 - right / max(named, 1), 4),
        "untrue_share": round(untrue / max(captions, 1), 4),
        **({"untrue_of_all_share": round(untrue_of_all / max(captions, 1), 4)} if job.is_multi else {}),
        "kept": kept,
        "untrue_share_of_kept": round(kept_untrue / max(kept, 1), 4),
    }


def score_grouping(run: RunFolder, truth: dict[str, Picture]) -> dict[str, float]:
    """How many sets have only one theme, and how many planted copies were found."""
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
    """The demo's bounds that ``scores`` miss, in words."""
    missed = []
    for job in SEED_JOBS:
        least_recall, largest_wrong = BOUNDS[job.subject]
        if scores[job.name]["recall"] < least_recall:
            missed.append(f"{job.name}: recall {scores[job.name]['recall']} < {least_recall}")
        if scores[job.name]["wrong_share"] > largest_wrong:
            missed.append(f"{job.name}: wrong share {scores[job.name]['wrong_share']} > {largest_wrong}")
        if scores[job.name].get("untrue_of_all_share", 0) > MAX_UNTRUE_SHARE:
            missed.append(f"{job.name}: untrue of all {scores[job.name]['untrue_of_all_share']}")
    grouping = scores["grouping"]
    for name, least in (("one_theme_share", 0.9), ("exact_copies_found", 1.0), ("near_copies_found", 0.9)):
        if grouping[name] < least:
            missed.append(f"grouping: {name} {grouping[name]} < {least}")
    return missed


def read_truth(folder: Path) -> dict[str, Picture]:
    """The contents of each picture of a demo, by key."""
    lines = (folder / "truth.jsonl").read_bytes().splitlines()
    return {p.key: p for p in (msgspec.json.decode(line, type=Picture) for line in lines)}


def score_demo(folder: Path) -> dict[str, dict[str, float]]:
    """All scores of a finished demo."""
    run, truth = RunFolder.open(folder / "run"), read_truth(folder)
    scores: dict[str, dict[str, float]] = {job.name: score_captions(run, truth, job) for job in SEED_JOBS}
    scores["grouping"] = score_grouping(run, truth)
    return scores
