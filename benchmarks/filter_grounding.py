"""How many captions that are really wrong grounding catches in a finished demo: the whole ROC.

    python -m benchmarks.filter_grounding DEMO_FOLDER

A caption is wrong where it names a (colour, kind) that isn't in its image, or for a set in the image
that it puts it in. ``strangers`` are the true captions of other images in place of their own.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
import msgspec
import numpy as np

from benchmarks.record import record
from corpus.captioned import captioned_targets
from corpus.plan import Target
from corpus.progress import Silent
from corpus.records import JOB_NAMES, Caption, JobName, is_multi, language_of
from corpus.runfolder import RunFolder
from filtering.grounding import Grounding
from grouping.checkpoint import resolve_checkpoint
from grouping.encoder import load_text_encoder
from triptych.demo.cast import Picture
from triptych.demo.reading import read_set, read_things
from triptych.embedded import resolve_model

LOSSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the good captions that are lost."""


def is_wrong(target: Target, caption: Caption, truth: dict[str, Picture], job: JobName) -> bool:
    """Whether it names a thing that isn't there."""
    language, keys = language_of(job), [image.key for image in target.images]
    told = (
        read_set(caption.text, language, len(keys))
        if is_multi(job)
        else [read_things(caption.text, language)]
    )
    return any(
        Counter(map(tuple, things)) - Counter(map(tuple, truth[key].things))
        for key, things in zip(keys, told, strict=True)
    )


def roc(good: list[float], bad: list[float]) -> dict[str, object]:
    """At each loss of good ones: the bound and the share of bad ones beyond it."""
    points = {}
    for loss in LOSSES:
        bound = float(np.quantile(good, 1 - loss, method="higher"))
        points[str(loss)] = {
            "bound": round(bound, 4),
            "caught": round(float(np.mean(np.array(bad) > bound)), 4),
        }
    better = np.mean([[1.0 if b > g else 0.5 if b == g else 0.0 for g in good] for b in bad])
    return {"good": len(good), "bad": len(bad), "area": round(float(better), 4), "at_loss": points}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Measure and commit."""
    run = RunFolder.open(folder / "run")
    lines = (folder / "truth.jsonl").read_bytes().splitlines()
    truth = {p.key: p for p in (msgspec.json.decode(line, type=Picture) for line in lines)}
    encoder = load_text_encoder(resolve_checkpoint(resolve_model("builtin:nano-clip"), None), "cpu")
    grounding = Grounding(run, encoder, 512, JOB_NAMES, Silent())
    measured: dict[str, object] = {}
    for job in JOB_NAMES:
        good: list[float] = []
        bad: list[float] = []
        strangers: list[float] = []
        for shard, pairs in captioned_targets(run, job, None):
            keys = [[image.key for image in target.images] for target, _ in pairs]
            texts = [caption.text for _, caption in pairs]
            for (target, caption), rank in zip(
                pairs, grounding.ranks(job, shard, list(zip(keys, texts, strict=True))), strict=True
            ):
                (bad if is_wrong(target, caption, truth, job) else good).append(rank or 0.0)
            turned = texts[len(texts) // 2 :] + texts[: len(texts) // 2]
            strangers += [r or 0.0 for r in grounding.ranks(job, shard, list(zip(keys, turned, strict=True)))]
        measured[job] = {
            "really_wrong": roc(good, bad) if good and bad else f"{len(good)} good, {len(bad)} bad",
            "strangers": roc(good, strangers) if good else "no good caption",
        }
    record("filter_grounding", "python -m benchmarks.filter_grounding DEMO_FOLDER", measured)


if __name__ == "__main__":
    main()
