"""Thresholds of captions that say what others say."""

from triptych.filtering.rules.duplicates import EXACT_DUPLICATE, NEAR_DUPLICATE
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
