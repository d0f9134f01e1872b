"""Rules that need more than the caption: their thresholds, and the grounding rank as a score."""

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.scored_elsewhere import (
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
    UNGROUNDED,
    grounding_rank,
)
from triptych.languages import language_of


def test_languages_counted_in_characters_have_a_higher_near_duplicate_threshold() -> None:
    """They are Chinese and Japanese here."""
    thresholds = [
        NEAR_DUPLICATE.threshold_of("image", language_of(code)) for code in ("en", "ko", "zh", "ja")
    ]

    assert [0.8, 0.8, 0.86, 0.86] == thresholds


def test_rules_on_duplicates_have_no_measure() -> None:
    """They need more than one caption."""
    assert EXACT_DUPLICATE.measure is NEAR_DUPLICATE.measure is None


def test_the_grounding_rank_is_the_score() -> None:
    """It is 0 if it wasn't measured."""
    english = language_of("en")

    assert 0.4 == grounding_rank(CaptionText("A dog.", english, grounding_rank=0.4))
    assert 0.0 == grounding_rank(CaptionText("A dog.", english))


def test_sets_have_a_higher_threshold_for_the_grounding_rank() -> None:
    """Each phrase is compared with every image that it names."""
    english = language_of("en")

    assert (0.34, 0.55) == tuple(UNGROUNDED.threshold_of(subject, english) for subject in ("image", "set"))
