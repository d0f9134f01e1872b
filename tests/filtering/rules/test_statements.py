"""Guesses, personal data, and numbers on which two captions disagree."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations
from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.statements import disagreement
from triptych.languages import language_of


@pytest.mark.parametrize(
    ("language", "text", "score"),
    [
        ("en", " Perhaps it is early. The man might be a sailor, and the boat is probably his.", 3.0),
        ("en", " It seems early, it appears calm; maybe it is spring, possibly a holiday.", 3.0),
        ("zh", "也许是清晨，可能是渔民，大概在等人。", 3.0),
    ],
)
def test_guesses_are_counted(language: str, text: str, score: float) -> None:
    """ "Perhaps" counts 1, "seems" counts a half."""
    found = violations((GOOD_EN if language == "en" else GOOD_ZH) + text, language)

    assert {"speculation": score} == found


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", " It is perhaps early, the man might be a sailor, and the boat seems old."),
        ("en", ' A poster says "perhaps, maybe, possibly, probably". It is May 3.'),
        (
            "en",
            " It could be seen in May 1990, on May Day; a moon appears behind the hill and appears again.",
        ),
        ("zh", "这不可能是清晨，可能性不大；大概十人，牌子上写着“可能、也许、大概”。"),
    ],
)
def test_a_few_guesses_and_other_uses_of_the_words_are_fine(language: str, text: str) -> None:
    """For example in quotations, or the month of May."""
    assert {} == violations((GOOD_EN if language == "en" else GOOD_ZH) + text, language)


def test_the_caption_of_a_set_may_have_more_guesses() -> None:
    """It is twice as long."""
    text = f"Both images show boats. {GOOD_EN} Perhaps it is early, maybe late, possibly noon."

    assert "speculation" not in violations(text, images=2)
    assert "speculation" in violations(text)


@pytest.mark.parametrize(
    "data",
    [
        "info@harbour.org",
        "+44 20 7946 0000",
        "(212) 555-0143",
        "138 1234 5678",
        "010-62345678",
        "400-820-1234",
    ],
)
def test_personal_data_is_counted(data: str) -> None:
    """Even if it is on a sign in the picture."""
    assert {"personal_data": 1.0} == violations(f'{GOOD_EN} A board reads "{data}".')
    assert {"personal_data": 1.0} == violations(f"{GOOD_ZH}牌子上写着“{data}”。", "zh")


@pytest.mark.parametrize("text", ["in 1998 and 2004", "at 12:30 and 14:45", "number 1,234,567", "2024-05-17"])
def test_other_numbers_are_no_personal_data(text: str) -> None:
    """Years, times, large numbers and dates."""
    assert {} == violations(f"{GOOD_EN} It stands there {text}.")


@pytest.mark.parametrize(
    ("english", "chinese", "expected"),
    [
        ("Two men stand beside three boats.", "两名男子站在三艘船旁边。", 0.0),
        ("Two men stand beside three boats.", "两名男子站在四艘船旁边。", 1.0),
        ("Two men stand beside three boats.", "两名男子站在船旁边。", 0.0),
        ("Image 2 shows five dogs.", "图像2中有五只狗。", 0.0),
        ("Image 2 shows five dogs.", "图像2中有三只狗。", 1.0),
        ("The second floor has two windows.", "第二层有两扇窗户，门两侧各有一棵树。", 0.0),
    ],
)
def test_contradicting_numbers_are_counted(english: str, chinese: str, expected: float) -> None:
    """For either caption. A number that only one of them has means nothing."""
    there = CaptionText(english, language_of("en"), counterparts={"zh": chinese})
    back = CaptionText(chinese, language_of("zh"), counterparts={"ja": "船。", "en": english})

    assert (expected, expected) == (disagreement(there), disagreement(back))


def test_captions_in_the_same_language_are_not_compared() -> None:
    """Nor is one in a language that can't be read."""
    caption = CaptionText(
        "Two men.", language_of("en"), counterparts={"en": "Three men.", "fr": "Trois hommes."}
    )

    assert 0.0 == disagreement(caption)
