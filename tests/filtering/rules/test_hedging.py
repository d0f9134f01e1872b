"""Guesses instead of observations."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations


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
