"""Captions that are cut off, too short or too long."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations
from triptych.filtering.rules.completeness import TOO_LONG, TOO_SHORT, longest, shortest
from triptych.jobs import Subject
from triptych.languages import Language, language_of


def test_a_caption_cut_by_the_token_limit_is_truncated() -> None:
    """The finish reason `length` rejects, even if the caption happens to end with a full stop."""
    assert {"truncated": 1.0} == violations(GOOD_EN, end="length")


@pytest.mark.parametrize("reason", ["", "stop", "eos_token", "end_turn"])
def test_a_caption_that_the_model_ended_is_not_truncated(reason: str) -> None:
    """Servers have several finish reasons for that."""
    assert {} == violations(GOOD_EN, end=reason)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN.removesuffix("the rocks.")),
        ("en", GOOD_EN.removesuffix(".") + ","),
        ("en", GOOD_EN.removesuffix(".") + "..."),
        ("en", GOOD_EN.removesuffix(" rocks.") + "."),
        ("zh", GOOD_ZH.removesuffix("灯塔。")),
        ("zh", GOOD_ZH.removesuffix("。") + "，"),
        ("zh", GOOD_ZH.removesuffix("。") + "……"),
    ],
)
def test_a_text_that_stops_in_mid_sentence_is_truncated(language: str, text: str) -> None:
    """It has no closing punctuation, an ellipsis, or a full stop after a word that ends no sentence."""
    assert {"truncated": 1.0} == violations(text, language)


@pytest.mark.parametrize("ending", ['."', ".”", ".)", "!", "?", ". 🙂", ".**", "。", '..."'])
def test_a_sentence_may_end_in_quotation_marks_brackets_or_emoji(ending: str) -> None:
    """They may follow the full stop."""
    assert "truncated" not in violations(GOOD_EN.removesuffix(".") + ending)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN + ' Above the door a board reads "Harbour Office"'),
        ("zh", GOOD_ZH + "门上刻着一行大字“港务局”"),
    ],
)
def test_a_quoted_inscription_may_end_a_caption(language: str, text: str) -> None:
    """Its closing quotation mark ends the sentence, if the words before it announce an inscription."""
    assert {} == violations(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [("ar", "قارب أحمر؟"), ("hi", "एक लाल नाव खड़ी है।"), ("de", "Sie schaut ihn an."), ("th", "เรือสีแดงลำหนึ่ง")],
)
def test_other_languages_end_sentences_in_their_own_way(language: str, text: str) -> None:
    """With other marks or none; a word that can't end an English sentence may end a German one."""
    assert "truncated" not in violations(text, language)


def test_a_short_english_caption_is_counted_in_words() -> None:
    """The score is the number of words."""
    assert {"too_short": 3.0} == violations("A red boat.")


def test_a_short_chinese_caption_is_counted_in_characters() -> None:
    """The score is the number of characters without punctuation."""
    assert {"too_short": 6.0} == violations("一艘红色的船。", "zh")


def test_the_caption_of_a_set_must_be_longer() -> None:
    """A length that suffices for one image is too short for a set."""
    text = "In both images, a red boat lies beside the wooden pier in the soft morning light."

    assert {} == violations(text)
    assert {"too_short": 16.0} == violations(text, images=2)


@pytest.mark.parametrize(
    ("language", "unit"), [("en", "word{} "), ("zh", "船{}"), ("ja", "船{}"), ("de", "wort{} ")]
)
def test_a_caption_beyond_the_maximum_is_too_long(language: str, unit: str) -> None:
    """Even if nothing in it is repeated."""
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
def test_other_languages_have_the_english_limits_in_their_own_units(
    code: str, subject: Subject, least: int, most: int
) -> None:
    """The limits for English and Chinese were chosen on labelled captions."""
    language = language_of(code)

    assert (least, most) == (shortest(subject, language), longest(subject, language))
    assert least == TOO_SHORT.threshold_of(subject, language) < TOO_LONG.threshold_of(subject, language)


def test_a_language_added_in_a_config_has_limits() -> None:
    """Its record is enough to derive them."""
    added = Language(code="tlh", units_per_english_word=0.5)

    assert (8, 175) == (shortest("image", added), longest("image", added))
