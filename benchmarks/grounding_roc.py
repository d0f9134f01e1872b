"""How many captions that say what isn't there grounding catches, and how many good ones that costs.

    python -m benchmarks.grounding_roc [FOLDER] [--scenes 1300]

Draws scenes that no model was trained on, runs the demo's pipeline on them (in FOLDER, kept where it is
given), and ranks every caption of the nano captioner by the real grounding. A caption is wrong where it
names a thing (colour and kind) that is not in its image; of a set, in the image that it puts it in, or,
for ``opening``, in any image of a set whose opening says that each has it. Writes the share of wrong
captions caught where 1, 2, 5 and 10% of the good ones are lost, and a plot.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np

from benchmarks.fresh_scenes import Truth, run_on_fresh_scenes
from benchmarks.record import RESULTS, record
from corpus.progress import Silent
from corpus.records import JOB_NAMES, JobName, is_multi, language_of, target_of
from corpus.runfolder import RunFolder
from filtering.grounding import Grounding, TextEncoder
from grouping.checkpoint import resolve_checkpoint
from grouping.encoder import load_text_encoder
from triptych.demo.reading import read_set, read_shared, read_things
from triptych.embedded import resolve_model

LOST = (0.01, 0.02, 0.05, 0.10)
OTHER_IMAGES = 512


def rank_captions(
    run: RunFolder, truth: Mapping[str, Truth], job: JobName, encoder: TextEncoder
) -> tuple[list[float], list[bool], list[bool]]:
    """Of each caption: its rank, whether it is wrong, and whether its opening is."""
    sets = {each.id: each.keys for each in run.sets()}
    language = language_of(job)
    grounding = Grounding(run, encoder, OTHER_IMAGES, [job], Silent())
    things = {key: set(map(tuple, truth[key.rpartition("/")[2]].things)) for key in _keys(run)}
    ranks: list[float] = []
    wrong: list[bool] = []
    opening: list[bool] = []
    for shard in run.shards():
        captions = [each for each in run.captions(job, shard) if each.failure is None]
        targets = [target_of(each.id) for each in captions]
        keys = [sets[target] if is_multi(job) else (target,) for target in targets]
        found = grounding.ranks(job, shard, [(k, c.text) for k, c in zip(keys, captions, strict=True)])
        ranks += [rank if rank is not None else 0.0 for rank in found]
        for each, caption in zip(keys, captions, strict=True):
            said = (
                read_set(caption.text, language, len(each))
                if is_multi(job)
                else [read_things(caption.text, language)]
            )
            wrong.append(any(set(told) - things[key] for key, told in zip(each, said, strict=True)))
            shared = set(read_shared(caption.text, language)) if is_multi(job) else set()
            opening.append(any(shared - things[key] for key in each))
    return ranks, wrong, opening


def _keys(run: RunFolder) -> list[str]:
    return [image.key for shard in run.shards() for image in run.images(shard) if image.unreadable is None]


def curve(ranks: Sequence[float], wrong: Sequence[bool]) -> dict[str, object]:
    """How many wrong ones have a higher rank than all but a share of the good ones."""
    scores, is_wrong = np.array(ranks), np.array(wrong, bool)
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
    for number, ((name, (ranks, wrong)), colour) in enumerate(zip(curves.items(), colours, strict=False)):
        scores, is_wrong = np.array(ranks), np.array(wrong, bool)
        bounds = np.append(np.unique(scores)[::-1], -1.0)
        points = []
        for bound in bounds[:: max(1, len(bounds) // 120)]:
            lost, caught = ((scores[group] > bound).mean() for group in (~is_wrong, is_wrong))
            points.append(f"{side * lost:.1f},{side * (1 - caught):.1f}")
        lines.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}"/>')
        lines.append(f'<text x="{side + 8}" y="{20 + 16 * number}" fill="{colour}">{name}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--scenes", default=1300)
def main(folder: Path | None, scenes: int) -> None:
    """Measure and commit."""
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or Path(scratch)
        truth = run_on_fresh_scenes(place, scenes)
        run = RunFolder.create_or_open(place / "run")
        checkpoint = resolve_checkpoint(resolve_model("builtin:nano-clip"), None)
        encoder = load_text_encoder(checkpoint, "cpu")
        measured: dict[str, object] = {"scenes": len(truth)}
        curves = {}
        for job in JOB_NAMES:
            ranks, wrong, opening = rank_captions(run, truth, job, encoder)
            measured[job] = curve(ranks, wrong)
            curves[job] = ranks, wrong
            if is_multi(job):
                measured[f"{job} opening"] = curve(ranks, opening)
    (RESULTS / "grounding_roc.svg").write_text(plot(curves), "utf-8")
    record("grounding_roc", "python -m benchmarks.grounding_roc", measured)


if __name__ == "__main__":
    main()
