"""Captions that stop before their end, are too short or too long."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations
from triptych.filtering.rules.completeness import TOO_LONG, TOO_SHORT, longest, shortest
from triptych.jobs import Subject
from triptych.languages import Language, language_of


def test_a_caption_cut_by_the_token_limit_is_truncated() -> None:
    """finish_reason `length` rejects, even where the cut fell behind a full stop."""
    assert {"truncated": 1.0} == violations(GOOD_EN, end="length")


@pytest.mark.parametrize("reason", ["", "stop", "eos_token", "end_turn"])
def test_a_model_that_ended_by_itself_cut_nothing(reason: str) -> None:
    """In the words of several servers."""
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
    """No closing punctuation, an ellipsis, or a point behind a word that ends no sentence."""
    assert {"truncated": 1.0} == violations(text, language)


@pytest.mark.parametrize("ending", ['."', ".”", ".)", "!", "?", ". 🙂", ".**", "。", '..."'])
def test_a_sentence_may_end_in_quotation_marks_brackets_or_emoji(ending: str) -> None:
    """What closes after the full stop doesn't hide it."""
    assert "truncated" not in violations(GOOD_EN.removesuffix(".") + ending)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", GOOD_EN + ' Above the door a board reads "Harbour Office"'),
        ("zh", GOOD_ZH + "门上刻着一行大字“港务局”"),
    ],
)
def test_what_a_sign_says_may_end_a_caption(language: str, text: str) -> None:
    """A closing quotation mark closes the sentence, where the words before it announce an inscription."""
    assert {} == violations(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [("ar", "قارب أحمر؟"), ("hi", "एक लाल नाव खड़ी है।"), ("de", "Sie schaut ihn an."), ("th", "เรือสีแดงลำหนึ่ง")],
)
def test_other_scripts_end_sentences_in_their_own_way(language: str, text: str) -> None:
    """With marks of their own, or with none; words that end no English sentence may end a German one."""
    assert "truncated" not in violations(text, language)


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
