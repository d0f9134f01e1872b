"""Texts taken apart into units and marks."""

import pytest

from triptych.filtering.units import marks_of, units_of


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("A red-brick house; it doesn't lean.", "a red brick house it doesnt lean".split()),
        ("The café’s sign says “東京 2”.", ["the", "cafés", "sign", "says", "東", "京", "2"]),
        ("图1中有一辆BMW轿车。", [*"图", "1", *"中有一辆", "bmw", *"轿车"]),
        ("一只猫，两只狗！", list("一只猫两只狗")),
        ("Улица и дом 7", ["улица", "и", "дом", "7"]),
        ("", []),
        ("a" * 50, ["a"] * 50),
    ],
)
def test_units_are_words_and_han_characters(text: str, units: list[str]) -> None:
    """In lower case, without punctuation, whichever script is in the majority."""
    assert units == units_of(text)


def test_marks_are_what_rules_look_for_first() -> None:
    """Neither letters nor the commonest punctuation; all digits and signs, in any script."""
    assert ":2|" == marks_of("A sign, at the door: 2 | x")
    assert "：2|" == marks_of("门口的牌子上写着：2 | 号楼的字样很清楚")
