"""Captions that stop before their end."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


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
    assert {} == violations(GOOD_EN.removesuffix(".") + ending)


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
