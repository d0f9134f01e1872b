"""Captions that are too short or too long."""

import pytest

from tests.support.caption_texts import violations
from triptych.filtering.rules.length import TOO_LONG, TOO_SHORT, longest, shortest
from triptych.jobs import Subject
from triptych.languages import Language, language_of


def test_a_short_english_caption_is_counted_in_words() -> None:
    """The score is the number of words."""
    assert {"too_short": 3.0} == violations("A red boat.")


def test_a_short_chinese_caption_is_counted_in_characters() -> None:
    """The score is the number of characters, without punctuation."""
    assert {"too_short": 6.0} == violations("一艘红色的船。", "zh")


def test_a_set_must_say_more_than_one_image() -> None:
    """A length that is enough for one image is too short for a set."""
    text = "In both images, a red boat lies beside the wooden pier in the soft morning light."

    assert {} == violations(text)
    assert {"too_short": 16.0} == violations(text, images=2)


@pytest.mark.parametrize(
    ("language", "unit"), [("en", "word{} "), ("zh", "船{}"), ("ja", "船{}"), ("de", "wort{} ")]
)
def test_a_caption_beyond_the_maximum_is_too_long(language: str, unit: str) -> None:
    """Length is measured where nothing is repeated, too."""
    text = "".join(unit.format(i) for i in range(700)) + "."

    assert "too_long" in violations(text, language)


@pytest.mark.parametrize(
    ("code", "subject", "least", "most"),
    [
        ("en", "image", 15, 350),
        ("en", "set", 25, 700),
        ("zh", "image", 22, 550),
        ("zh", "set", 38, 900),
        ("fr", "image", 15, 350),
        ("ja", "image", 30, 700),
        ("th", "set", 100, 2800),
    ],
)
def test_other_languages_have_english_lengths_in_units_of_their_own(
    code: str, subject: Subject, least: int, most: int
) -> None:
    """English and Chinese have figures that were chosen on captions."""
    language = language_of(code)

    assert (least, most) == (shortest(subject, language), longest(subject, language))
    assert least == TOO_SHORT.threshold_of(subject, language) < TOO_LONG.threshold_of(subject, language)


def test_a_language_that_a_config_adds_has_lengths() -> None:
    """Its record is all that it takes."""
    added = Language(code="tlh", units_per_english_word=0.5)

    assert (8, 175) == (shortest("image", added), longest("image", added))
