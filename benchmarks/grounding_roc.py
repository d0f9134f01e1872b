"""How many captions that say what isn't there grounding catches, and how many good ones that costs.

    python -m benchmarks.grounding_roc [FOLDER] [--scenes 1300] [--first-series 50000]

Draws scenes that no model was trained on, runs the demo's pipeline on them (in FOLDER, kept where it is
given), and scores every caption of the nano captioner by the real grounding. A caption is wrong where it
names a thing (colour and kind) that is not in its image; of a set, in the image that it puts it in. Writes
the share of wrong captions caught where 1, 2, 5 and 10% of the good ones are lost, with the captions of all
jobs at hand and with those of one job alone; by kind of mistake; how fast; and a plot.

What grounding's constants were chosen on is another series of scenes: --first-series 150000 --scenes 2600.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import numpy as np

from benchmarks.fresh_scenes import FIRST_SERIES, Truth, run_on_fresh_scenes
from benchmarks.record import record, refuse_dirty_tree
from scripts.nano.reading import ColourAndKind, read_images
from triptych.filtering.grounding.score import Grounding
from triptych.grouping.encoders.choice import load_text_encoder, resolve_encoder
from triptych.jobs import Job
from triptych.models import resolve_model
from triptych.prompts import load_prompts
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.settings import load_config

LOST = (0.01, 0.02, 0.05, 0.10)
OTHER_IMAGES = 512


class Seen(NamedTuple):
    """The captions of a job beside the truth."""

    scores: list[float]
    wrong: list[bool]
    mistakes: list[set[str]]
    captions_per_processor_second: float


def score_captions(context: RunContext, truth: Mapping[str, Truth], job: Job, grounding: Grounding) -> Seen:
    """Every caption of ``job``."""
    things = {key: list(map(tuple, truth[key.rpartition("/")[2]].things)) for key in _keys(context.folder)}
    seen = Seen([], [], [], 0.0)
    seconds = 0.0
    for shard, planned in context.plan(job).read_all():
        captions = [
            ([image.key for image in each.target.images], each.caption.text)
            for each in planned
            if each.caption is not None and each.caption.failure is None
        ]
        began = time.process_time()
        found = grounding.scores(job, shard, captions)
        seconds += time.process_time() - began
        seen.scores.extend(score if score is not None else 0.0 for score in found)
        for keys, text in captions:
            said = read_images(text, job.language, len(keys))
            mistakes = set().union(*(_mistakes(each, things[k]) for k, each in zip(keys, said, strict=True)))
            seen.mistakes.append(mistakes)
            seen.wrong.append(bool(mistakes - {"doubled"}))
    return seen._replace(captions_per_processor_second=round(len(seen.scores) / seconds, 1))


def _mistakes(said: Sequence[ColourAndKind], there: Sequence[ColourAndKind]) -> set[str]:
    """The kinds of mistake. ``doubled`` names a thing more often than it is there, no thing that isn't."""
    found = {"doubled"} if Counter(said) - Counter(there) else set()
    colours, kinds = {colour for colour, _ in there}, {kind for _, kind in there}
    for colour, kind in set(said) - set(there):
        if kind in kinds:
            found.add("wrongly paired" if colour in colours else "colour not there")
        else:
            found.add("kind not there" if colour in colours else "neither there")
    return found


def _keys(run: RunFolder) -> list[str]:
    return [image.key for shard in run.shards() for image in run.images(shard) if image.unreadable is None]


def by_mistake(seen: Seen) -> dict[str, object]:
    """Of each kind of mistake the share caught where 5% of the captions without any are lost."""
    scores = np.array(seen.scores)
    bound = np.quantile(scores[~np.array(seen.wrong, bool)], 0.95, method="higher")
    kinds = sorted(set().union(*seen.mistakes))
    members = {kind: np.array([kind in each for each in seen.mistakes]) for kind in kinds}
    alone = members.get("doubled", np.zeros(len(scores), bool)) & ~np.array(seen.wrong, bool)
    members["doubled"] = alone
    return {
        kind: {"captions": int(which.sum()), "caught": round(float((scores[which] > bound).mean()), 3)}
        for kind, which in members.items()
        if which.any()
    }


def curve(found: Sequence[float], wrong: Sequence[bool]) -> dict[str, object]:
    """How many wrong ones have a higher score than all but a share of the good ones."""
    scores, is_wrong = np.array(found), np.array(wrong, bool)
    good, bad = scores[~is_wrong], scores[is_wrong]
    if not len(good) or not len(bad):
        return {"good": len(good), "wrong": len(bad)}
    bounds = {lost: float(np.quantile(good, 1 - lost, method="higher")) for lost in LOST}
    return {
        "good": len(good),
        "wrong": len(bad),
        "area": round(float((bad[:, None] > good).mean() + (bad[:, None] == good).mean() / 2), 3),
        "caught_at_good_lost": {
            f"{lost:.0%}": round(float((bad > b).mean()), 3) for lost, b in bounds.items()
        },
        "bound_at_good_lost": {f"{lost:.0%}": round(b, 3) for lost, b in bounds.items()},
    }


def plot(curves: Mapping[str, tuple[Sequence[float], Sequence[bool]]]) -> str:
    """One line a job, share of good lost against share of wrong caught."""
    side, colours = 300, ("#1b6ca8", "#c0392b", "#1e8449", "#8e44ad")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-40 -10 {side + 170} {side + 50}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{side}" height="{side}" fill="none" stroke="#888"/>',
        f'<path d="M0 {side}L{side} 0" stroke="#ccc" stroke-dasharray="4"/>',
        f'<text x="{side // 2}" y="{side + 30}" text-anchor="middle">good captions lost</text>',
        f'<text x="-10" y="{side // 2}" text-anchor="middle" transform="rotate(-90 -10 {side // 2})">'
        "wrong captions caught</text>",
    ]
    for number, ((name, (found, wrong)), colour) in enumerate(zip(curves.items(), colours, strict=False)):
        scores, is_wrong = np.array(found), np.array(wrong, bool)
        bounds = np.append(np.unique(scores)[::-1], -1.0)
        points = []
        for threshold in bounds[:: max(1, len(bounds) // 120)]:
            lost, caught = ((scores[group] > threshold).mean() for group in (~is_wrong, is_wrong))
            points.append(f"{side * lost:.1f},{side * (1 - caught):.1f}")
        lines.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}"/>')
        lines.append(f'<text x="{side + 8}" y="{20 + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--scenes", default=1300)
@click.option("--first-series", default=FIRST_SERIES)
def main(folder: Path | None, scenes: int, first_series: int) -> None:
    """Measure and commit; other scenes than the usual ones are only printed."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or Path(scratch)
        truth = run_on_fresh_scenes(place, scenes, first_series)
        jobs = load_config(preset="demo").all_jobs()
        context = RunContext(
            folder=RunFolder.create_or_open(place / "run"), jobs=jobs, prompts=load_prompts(jobs)
        )
        encoder = load_text_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
        measured: dict[str, object] = {"scenes": len(truth), "first_series": first_series}
        grounding = Grounding(context, encoder, OTHER_IMAGES)
        curves = {}
        for job in jobs:
            seen = score_captions(context, truth, job, grounding)
            of_job = msgspec.structs.replace(context, jobs=(job,))
            alone = score_captions(of_job, truth, job, Grounding(of_job, encoder, OTHER_IMAGES))
            curves[job.name] = seen.scores, seen.wrong
            measured[job.name] = {
                **curve(seen.scores, seen.wrong),
                "mistakes_at_5%": by_mistake(seen),
                "captions_per_processor_second": alone.captions_per_processor_second,
            }
            measured[f"{job.name}, without other jobs"] = curve(alone.scores, alone.wrong)
    if first_series != FIRST_SERIES:
        click.echo(msgspec.json.format(msgspec.json.encode(measured)).decode())
        return
    record("grounding_roc", "python -m benchmarks.grounding_roc", measured, plot=plot(curves))


if __name__ == "__main__":
    main()
