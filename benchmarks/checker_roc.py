"""How well `triptych check` separates true from untrue statements, compared with grounding.

    python -m benchmarks.checker_roc [FOLDER] [--checker MODEL] [--scenes 900] [--first-series 250000]

Draws scenes that no model was trained on and groups them. Every image and set gets a true caption, or one
with one untrue statement: a colour, an object, a position, a number of objects, a theme, something that is
true of another image of the set, or a false claim about all its images. MODEL checks the statements with
`Run.check`; grounding scores the same captions. AUROC is the probability that an untrue statement (or
caption) has a higher score than a true one, ties counted half. ``found`` is the share of untrue ones above
the score that 5% of the true ones exceed. A statement that is checked with several images counts once, with
its least favourable answer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

import triptych
from benchmarks.fresh_scenes import Truth, draw_fresh_scenes
from benchmarks.planted_captions import plan_captions
from benchmarks.record import record, refuse_dirty_tree
from scripts.nano.reading import holds
from scripts.nano.untruths import PLANTED
from triptych.api import Run
from triptych.filtering.grounding.score import Grounding
from triptych.grouping.encoders.choice import load_text_encoder, resolve_encoder
from triptych.jobs import Job
from triptych.models import resolve_model
from triptych.runs.checks import checks_of_caption, read_checks

FIRST_SERIES = 250_000
"""Of the unseen split; the demo and the tests use much smaller numbers."""
OTHER_IMAGES = 512
DENIED_OF_TRUE = 0.05
SETTINGS: dict[str, object] = {
    "captioning.engine": "benchmarks.planted_captions:SPEC",
    "filtering.grounding": False,
    "checking.captions": 0,
    "captioning.canary.every_s": 0,
    "checking.canary.every_s": 0,  # so that bad checkers are measured too
}


class Scored(NamedTuple):
    """Scores, higher for less credible texts, and the kind of untruth in each ("": true)."""

    scores: list[float]
    kinds: list[str]


def score_statements(run: Run, job: Job, truth: Mapping[str, Truth], kinds: Mapping[str, str]) -> Scored:
    """Scores of every answered statement in the captions of ``job``."""
    found = Scored([], [])
    for shard, planned in run.context.plan(job).read_all():
        checks = read_checks(run.folder, job.name, shard)
        for each in planned:
            assert each.caption is not None
            keys = [image.key for image in each.target.images]
            scenes = [truth[key.rpartition("/")[2]].scene for key in keys]
            by_statement: dict[tuple[int, int], dict[int, float]] = {}
            for check in checks_of_caption(checks.get(each.caption.id, ()), each.caption, each.target):
                if check.yes_probability is not None and not check.is_swapped:
                    place = by_statement.setdefault((check.start, check.end), {})
                    place[keys.index(check.image) + 1] = 1 - check.yes_probability
            for (start, end), by_image in by_statement.items():
                is_true = holds(each.caption.text[start:end], job.language, scenes, list(by_image))
                found.scores.append(max(by_image.values()))
                found.kinds.append("" if is_true else kinds[each.caption.id])
    return found


def score_captions(
    run: Run, job: Job, kinds: Mapping[str, str], grounding: Grounding
) -> tuple[Scored, Scored]:
    """Scores of every checked caption of ``job``: of its least credible statement, and by grounding."""
    checked, grounded = Scored([], []), Scored([], [])
    for shard, planned in run.context.plan(job).read_all():
        checks = read_checks(run.folder, job.name, shard)
        texts = []
        for each in planned:
            assert each.caption is not None
            answers = checks_of_caption(checks.get(each.caption.id, ()), each.caption, each.target)
            own = [a.yes_probability for a in answers if not a.is_swapped]
            chances = [1 - yes for yes in own if yes is not None]
            if chances:
                checked.scores.append(max(chances))
                checked.kinds.append(kinds[each.caption.id])
                texts.append(([image.key for image in each.target.images], each.caption.text))
        grounded.scores.extend(score or 0.0 for score in grounding.scores(job, shard, texts))
    grounded.kinds.extend(checked.kinds)
    return checked, grounded


def figures(scored: Scored) -> dict[str, object]:
    """AUROC and share found, over all kinds of untruth and for each."""
    scores, kinds = np.array(scored.scores), np.array(scored.kinds)
    true = scores[kinds == ""]
    bound = np.quantile(true, 1 - DENIED_OF_TRUE, method="higher")

    def of(untrue: np.ndarray) -> dict[str, object]:
        area = (untrue[:, None] > true).mean() + (untrue[:, None] == true).mean() / 2
        return {
            "untrue": len(untrue),
            "auroc": round(float(area), 4),
            "found": round(float((untrue > bound).mean()), 4),
        }

    by_kind = {kind: of(scores[kinds == kind]) for kind in PLANTED if (kinds == kind).any()}
    return {"true": len(true), **of(scores[kinds != ""]), "by_kind": by_kind}


def merged(parts: Sequence[Scored]) -> Scored:
    """All scores of several ``parts``."""
    return Scored([s for part in parts for s in part.scores], [k for part in parts for k in part.kinds])


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--checker", default="builtin:nano-checker", show_default=True)
@click.option("--scenes", default=900, show_default=True)
@click.option("--first-series", default=FIRST_SERIES, show_default=True)
def main(folder: Path | None, checker: str, scenes: int, first_series: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    settings = {**SETTINGS, "checking.model": checker}
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or Path(scratch)
        truth = draw_fresh_scenes(place, scenes, first_series)
        encoder = load_text_encoder(resolve_encoder(resolve_model("builtin:nano-clip")), "cpu")
        with triptych.open_run(place / "run", [place / "images"], preset="demo", settings=settings) as run:
            run.group()
            kinds = plan_captions(run.context, {key: each.scene for key, each in truth.items()}, first_series)
            run.caption()
            run.filter()
            counts = run.check()
            grounding = Grounding(run.context, encoder, OTHER_IMAGES)
            statements = {job.name: score_statements(run, job, truth, kinds) for job in run.jobs}
            captions = {job.name: score_captions(run, job, kinds, grounding) for job in run.jobs}
    measured: dict[str, object] = {
        "scenes": scenes,
        "questions": {name: count.statements for name, count in counts.items()},
        "statements": {
            "all": figures(merged(list(statements.values()))),
            **{name: figures(scored) for name, scored in statements.items()},
        },
        "captions": {name: figures(checked) for name, (checked, _) in captions.items()},
        "captions by grounding": {name: figures(grounded) for name, (_, grounded) in captions.items()},
    }
    record("checker_roc", "python -m benchmarks.checker_roc", measured)


if __name__ == "__main__":
    main()
