"""Counts of all scores, from which other bounds can be read."""

from collections.abc import Callable

import msgspec
import pytest

from tests.filtering.test_labelled import read_labelled
from tests.support.contexts import context_of
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig, RuleName
from triptych.filtering.judge import Judge
from triptych.filtering.score_counts import ScoreCounter, rule_scores
from triptych.filtering.stage import Session
from triptych.runs.folder import RunFolder
from triptych.runs.rule_scores import RuleScores

GOOD = (
    "A red boat lies at a wooden pier in a small harbour, two people stand beside it, and behind them a row"
    " of white houses climbs a green hill under a cloudy sky, number {}."
)


def candidates() -> list[Candidate]:
    """The labelled English captions of one image."""
    return [
        Candidate(text=one.text, job=one.job, image_count=one.images, finish_reason=one.finish_reason)
        for one in read_labelled("captions.jsonl")
        if one.job == "single_en"
    ]


def counted(config: FilteringConfig) -> dict[str, RuleScores]:
    """What a pass over the labelled captions counts."""
    judge, counter = Judge(config), ScoreCounter(config)
    judge.scores_of_block(judge.block(candidates()), candidates(), counter)
    return {each.rule: each for each in rule_scores(config, counter.counts, ["single_en"])}


@pytest.mark.parametrize(
    ("rule", "setting", "bound", "steps"),
    [
        ("too_short", "min_words_single", 15, -6),
        ("too_short", "min_words_single", 15, 30),
        ("too_long", "max_words_single", 350, -30),
        ("wrong_language", "max_foreign_share_en", 0.14, -5),
        ("wrong_language", "max_foreign_share_en", 0.14, 20),
        ("repeated", "max_repeated_share", 0.10, -3),
        ("speculation", "max_hedges_single", 2.5, -2),
        ("personal_data", "max_personal_data", 0, 1),
    ],
)
def test_another_bound_drops_what_the_counts_say(
    rule: RuleName, setting: str, bound: float, steps: int
) -> None:
    """Exactly, on either side of the bound that they were counted with."""
    said = counted(FilteringConfig())[rule]
    moved = msgspec.structs.replace(FilteringConfig(), **{setting: type(bound)(bound + steps * said.step)})
    judge = Judge(moved)
    beyond = [scores for one in candidates() if rule in (scores := judge.scores(one))]
    alone = [scores for scores in beyond if not {*scores} - {rule, *moved.flags}]

    assert (setting, bound) == (said.setting, said.bound)
    assert (len(beyond), len(alone)) == said.beyond(steps)


def test_the_counts_do_not_depend_on_the_number_of_processes(
    make_run: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do their bytes."""
    monkeypatch.setattr("triptych.filtering.stage.BLOCK_CAPTIONS", 4)
    written = []
    for workers in (1, 2):
        run = make_run([*map(GOOD.format, range(30)), "Short.", None], name=f"run{workers}")
        config = FilteringConfig(workers=workers, rules=("too_short", "speculation"))
        Session(context_of(run, "single_en"), config).write_verdicts()
        written.append(run.rule_scores_file.read_bytes())
    (short, _) = run.rule_scores()

    assert written[0] == written[1]
    assert (1, 1) == short.beyond(0)
    assert (31, 31) == short.beyond(short.bins[-1][0] + 1)
