"""How many captions each rule drops, and would with another bound."""

from triptych.records import JOB_NAMES, Verdict
from triptych.report.tallies import RuleTallies
from triptych.runs.rule_scores import RuleScores

SHORT = RuleScores(
    job="single_en",
    rule="too_short",
    setting="min_words_single",
    bound=10,
    drops="below",
    step=1,
    bins=[(-6, 1, 0), (-3, 1, 1), (2, 5, 4)],
)


def tallied(scores: list[RuleScores], *verdicts: Verdict) -> RuleTallies:
    tallies = RuleTallies(scores)
    for verdict in verdicts:
        tallies.add("single_en", verdict)
    return tallies


def dropped(**scores: float) -> Verdict:
    return Verdict(id="x", keep=False, reason=next(iter(scores)), scores=scores)


def test_a_caption_with_two_rules_is_caught_by_both_and_alone_by_none() -> None:
    """Kept ones are not counted."""
    tallies = tallied(
        [], dropped(too_short=4.0, repeated=0.3), dropped(too_short=7.0), Verdict(id="y", keep=True)
    )
    (short,) = tallies.counts("too_short", JOB_NAMES)
    (repeated,) = tallies.counts("repeated", JOB_NAMES)

    assert (2, 2, 1) == (short.first, short.caught, short.alone)
    assert (0, 1, 0) == (repeated.first, repeated.caught, repeated.alone)


def test_a_bound_can_be_moved_where_the_filter_counted_scores() -> None:
    """In the job that they were counted in."""
    tallies = tallied([SHORT], dropped(too_short=4.0))
    tallies.add("multi_zh", dropped(too_short=9.0))
    rows = tallies.counts("too_short", JOB_NAMES)

    assert [("single_en", SHORT), ("multi_zh", None)] == [(row.job, row.scores) for row in rows]


def test_rules_that_dropped_nothing_come_last() -> None:
    """Those without a setting to move, and those that no caption came near, are left out."""
    scores = [
        SHORT,
        RuleScores(
            job="single_en",
            rule="markup",
            setting="",
            bound=0,
            drops="above",
            step=1,
            bins=[(1, 2, 2)],
        ),
        RuleScores(
            job="single_en",
            rule="garbled",
            setting="max_garbled",
            bound=0,
            drops="above",
            step=1,
            bins=[],
        ),
    ]

    assert ["repeated", "too_short"] == tallied(scores, dropped(repeated=0.3)).rules()
