"""Rules that take more than the caption: their thresholds, and the grounding rank as a score."""

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.scored_elsewhere import (
    EXACT_DUPLICATE,
    NEAR_DUPLICATE,
    UNGROUNDED,
    grounding_rank,
)
from triptych.languages import language_of


def test_two_characters_differ_sooner_than_two_words() -> None:
    """Languages counted in characters have a higher threshold."""
    thresholds = [
        NEAR_DUPLICATE.threshold_of("image", language_of(code)) for code in ("en", "ko", "zh", "ja")
    ]

    assert [0.8, 0.8, 0.86, 0.86] == thresholds


def test_they_take_more_than_one_caption() -> None:
    """No measure looks for them."""
    assert EXACT_DUPLICATE.measure is NEAR_DUPLICATE.measure is None


def test_the_rank_is_the_score() -> None:
    """0 where it wasn't measured."""
    english = language_of("en")

    assert 0.4 == grounding_rank(CaptionText("A dog.", english, grounding_rank=0.4))
    assert 0.0 == grounding_rank(CaptionText("A dog.", english))


def test_a_set_may_rank_higher() -> None:
    """Each phrase is compared with each image that it names."""
    english = language_of("en")

    assert (0.34, 0.55) == tuple(UNGROUNDED.threshold_of(subject, english) for subject in ("image", "set"))
