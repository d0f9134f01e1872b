"""How many captions each rule rejects, and would reject with another threshold."""

from triptych.jobs import SEED_JOBS
from triptych.records import Verdict
from triptych.report.rejected import CountsOfRules
from triptych.runs.rule_scores import RuleScores

NAMES = [job.name for job in SEED_JOBS]

SHORT = RuleScores(
    job="single_en",
    rule="too_short",
    setting="min_words_single",
    threshold=10,
    violated="below",
    step=1,
    bins=[(-6, 1, 0), (-3, 1, 1), (2, 5, 4)],
)


def counted(scores: list[RuleScores], *verdicts: Verdict) -> CountsOfRules:
    counts = CountsOfRules(scores)
    for verdict in verdicts:
        counts.add("single_en", verdict)
    return counts


def rejected(**scores: float) -> Verdict:
    return Verdict(id="x", keep=False, reason=next(iter(scores)), scores=scores)


def test_a_caption_that_violates_two_rules_is_caught_by_both_and_alone_by_neither() -> None:
    """Kept captions aren't counted."""
    counts = counted(
        [], rejected(too_short=4.0, repeated=0.3), rejected(too_short=7.0), Verdict(id="y", keep=True)
    )
    (short,) = counts.counts("too_short", NAMES)
    (repeated,) = counts.counts("repeated", NAMES)

    assert (2, 2, 1) == (short.first, short.caught, short.alone)
    assert (0, 1, 0) == (repeated.first, repeated.caught, repeated.alone)


def test_a_rule_has_its_scores_in_the_job_in_which_they_were_counted() -> None:
    """With them, another threshold can be tried."""
    counts = counted([SHORT], rejected(too_short=4.0))
    counts.add("multi_zh", rejected(too_short=9.0))
    rows = counts.counts("too_short", NAMES)

    assert [("single_en", SHORT), ("multi_zh", None)] == [(row.job, row.scores) for row in rows]


def test_rules_that_rejected_nothing_come_last() -> None:
    """Rules without a setting, or that no caption came close to violating, are left out."""
    scores = [
        SHORT,
        RuleScores(
            job="single_en",
            rule="markup",
            setting="",
            threshold=0,
            violated="above",
            step=1,
            bins=[(1, 2, 2)],
        ),
        RuleScores(
            job="single_en",
            rule="garbled",
            setting="max_garbled",
            threshold=0,
            violated="above",
            step=1,
            bins=[],
        ),
    ]

    assert ["repeated", "too_short"] == counted(scores, rejected(repeated=0.3)).rules()
