"""How many captions each rule drops, by score."""

from corpus.records import JOB_NAMES, Verdict
from export.report.tallies import MOST_SCORES, RuleTallies


def tallied(*verdicts: Verdict) -> RuleTallies:
    tallies = RuleTallies()
    for verdict in verdicts:
        tallies.add("single_en", verdict)
    return tallies


def dropped(**scores: float) -> Verdict:
    return Verdict(id="x", keep=False, reason=next(iter(scores)), scores=scores)


def test_a_caption_with_two_rules_comes_back_with_neither_alone() -> None:
    """It is caught by both, and alone by none."""
    tallies = tallied(
        dropped(too_short=4.0, repeated=0.3), dropped(too_short=7.0), Verdict(id="y", keep=True)
    )
    (short,) = tallies.counts("too_short", JOB_NAMES, {"min_words_single": 10})
    (repeated,) = tallies.counts("repeated", JOB_NAMES, {})

    assert (2, 2, 1) == (short.first, short.caught, short.alone)
    assert (0, 1, 0) == (repeated.first, repeated.caught, repeated.alone)
    assert [(4.0, 1, 0), (7.0, 1, 1)] == short.scores


def test_the_bound_is_the_setting_of_the_job() -> None:
    """Lengths are in words for English, in Han characters for Chinese."""
    settings = {"min_words_single": 10, "min_han_multi": 30}
    tallies = RuleTallies()
    tallies.add("single_en", dropped(too_short=4.0))
    tallies.add("multi_zh", dropped(too_short=9.0))
    bounds = [counts.bound for counts in tallies.counts("too_short", JOB_NAMES, settings)]

    assert [("min_words_single", 10.0, "below"), ("min_han_multi", 30.0, "below")] == [
        (bound.setting, bound.value, bound.drops) for bound in bounds if bound
    ]


def test_a_rule_that_is_not_known_is_shown_without_a_bound() -> None:
    """A new rule needs nothing here."""
    (counts,) = tallied(dropped(tomorrows_rule=3.0)).counts("tomorrows_rule", JOB_NAMES, {})

    assert (None, 1) == (counts.bound, counts.caught)


def test_many_scores_become_few_points_that_lose_nothing() -> None:
    """The page stays small, and the sums right."""
    (counts,) = tallied(*(dropped(too_long=400.0 + n) for n in range(1000))).counts("too_long", JOB_NAMES, {})

    assert len(counts.scores) <= MOST_SCORES
    assert 1000 == sum(caught for _, caught, _ in counts.scores)
    assert (400.0, 1399.0) == (counts.scores[0][0], counts.scores[-1][0])
