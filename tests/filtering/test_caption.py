"""A caption as rules see it: its units, and its text without quotations."""

import pytest

from triptych.filtering.caption import CaptionText, unit_sequence_of, units_of
from triptych.languages import LANGUAGES


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("A red-brick house; it doesn't lean.", "a red brick house it doesnt lean".split()),
        ("The café’s sign says “東京 2”.", ["the", "cafés", "sign", "says", "東", "京", "2"]),
        ("图1中有一辆BMW轿车。", [*"图", "1", *"中有一辆", "bmw", *"轿车"]),
        ("一只猫，两只狗！", list("一只猫两只狗")),
        ("Улица и дом 7", ["улица", "и", "дом", "7"]),
        ("书架上有《红楼梦》和《Moby-Dick》。", [*"书架上有红楼梦和", "moby", "dick"]),
        ("犬がいる。", list("犬がいる")),
        ("สุนัข", list("สุนัข")),
        ("एक लाल नाव", ["एक", "लाल", "नाव"]),
        ("", []),
        ("a" * 50, ["a"] * 50),
    ],
)
def test_units_are_words_or_characters_in_scripts_without_spaces(text: str, units: list[str]) -> None:
    """In lower case and without punctuation, whichever script has the majority."""
    assert units == list(units_of(text))


@pytest.mark.parametrize(
    "text",
    [
        "一只猫，两只狗！",
        "图1中有一辆BMW轿车，图2中也有一辆BMW。",
        "墙上写着don't stop，Don’t Stop。",
        "Ａ和é在一起。",
        "①是船。",
        "",
    ],
)
def test_a_unit_sequence_has_one_character_for_each_unit(text: str) -> None:
    """Two characters are equal if and only if the units are."""
    units, characters = units_of(text), unit_sequence_of(text.lower(), LANGUAGES["zh"])

    assert [units.index(unit) for unit in units] == [characters.index(each) for each in characters]


@pytest.mark.parametrize("quoted", ['"no entry"', "“no entry”", "「no entry」", "«no entry»", "'no entry'"])
def test_quotations_are_left_out_of_the_unquoted_text(quoted: str) -> None:
    """With the quotation marks of any language. An apostrophe is no quotation mark."""
    caption = CaptionText(f"The boy's sign reads {quoted} in red.", LANGUAGES["en"])

    assert "The boy's sign reads   in red." == caption.unquoted
