"""Histograms of scores show what another threshold would do."""

from collections.abc import Callable

import pytest

from tests.support.contexts import context_of, filter_jobs_of
from tests.support.labelled_captions import read_labelled
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.score_histogram import rule_scores
from triptych.filtering.scoring import CaptionInput
from triptych.filtering.stage import FilterStage
from triptych.runs.folder import RunFolder
from triptych.runs.rule_scores import RuleScores

GOOD = (
    "A red boat lies at a wooden pier in a small harbour, two people stand beside it, and behind them a row"
    " of white houses climbs a green hill under a cloudy sky, number {}."
)


def captions() -> list[CaptionInput]:
    """The labelled captions of single_en."""
    return [each.input for each in read_labelled("captions") if each.job == "single_en"]


def counted() -> dict[str, RuleScores]:
    """The counts from a pass over these captions."""
    scorer = make_scorer(FilteringConfig(), filter_jobs_of())
    bins = scorer.score_block(captions()).bins
    return {each.rule: each for each in rule_scores(bins, {"single_en": scorer.job_rules("single_en")})}


@pytest.mark.parametrize(
    ("rule", "threshold", "steps"),
    [
        ("too_short", 15, -6),
        ("too_short", 15, 30),
        ("too_long", 350, -30),
        ("wrong_language", 0.14, -5),
        ("wrong_language", 0.14, 20),
        ("repeated", 0.10, -3),
        ("speculation", 2.5, -2),
        ("personal_data", 0, 1),
    ],
)
def test_another_threshold_rejects_as_many_captions_as_the_histogram_shows(
    rule: str, threshold: float, steps: int
) -> None:
    """Exactly, both below and above the current threshold."""
    before = counted()[rule]
    moved = FilteringConfig(thresholds={rule: threshold + steps * before.step})
    scorer = make_scorer(moved, filter_jobs_of())
    flags = {each.rule.name for each in scorer.job_rules("single_en") if each.action == "flag"}
    violations = [scorer.violations(each.job, scorer.all_scores(each)) for each in captions()]
    beyond = [each for each in violations if rule in each]
    alone = [each for each in beyond if not {*each} - {rule, *flags}]

    assert (f"thresholds.{rule}.single_en", threshold) == (before.setting, before.threshold)
    assert (len(beyond), len(alone)) == before.beyond(steps)


def test_the_counts_do_not_depend_on_the_number_of_processes(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their file has the same bytes."""
    monkeypatch.setattr("triptych.filtering.stage.BLOCK_CAPTIONS", 4)
    written = []
    for workers in (1, 2):
        run = make_run([*map(GOOD.format, range(30)), "Short.", None], name=f"run{workers}")
        config = FilteringConfig(workers=workers, rules=("too_short", "speculation"))
        FilterStage(context_of(run, "single_en"), config).write_verdicts()
        written.append(run.rule_scores_file.read_bytes())
    (short, _) = run.rule_scores()

    assert written[0] == written[1]
    assert (1, 1) == short.beyond(0)
    assert (31, 31) == short.beyond(short.bins[-1][0] + 1)
