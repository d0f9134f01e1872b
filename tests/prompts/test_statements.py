"""Captions cut into statements, each with the images that it is about."""

import pytest

from tests.support.contexts import JOBS
from triptych.prompts import load_prompt
from triptych.prompts.statements import statements

EN, ZH = (load_prompt(JOBS[name]).naming for name in ("multi_en", "multi_zh"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A dog sits. It is 3.5 m long!", ["A dog sits.", "It is 3.5 m long!"]),
        ("A dog; a cat? Both.", ["A dog;", "a cat?", "Both."]),
        ("St. Mary's church, e.g. its tower. A man.", ["St. Mary's church, e.g. its tower.", "A man."]),
        ('It reads "Stop!" in red. "Go." is below.', ['It reads "Stop!"', "in red.", '"Go."', "is below."]),
        ("一只狗。它很大！“停。”很小；", ["一只狗。", "它很大！", "“停。”", "很小；"]),
        ("  A dog \n\n A cat  ", ["A dog", "A cat"]),
        ("... !? A dog.", ["A dog."]),
        ("", []),
    ],
)
def test_a_statement_is_a_sentence_or_what_stands_between_semicolons(text: str, parts: list[str]) -> None:
    """Numbers and short abbreviations end none."""
    assert parts == [text[each.start : each.end] for each in statements(text, 1, None)]


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("Image-1: A dog. It is brown. Image-2: A cat.", [(1,), (1,), (2,)]),
        ("Image-1: A dog. Image-2: A cat. It sleeps. Both images are warm.", [(1,), (2,), (2,), (1, 2)]),
        ("The pictures show animals. Image-2: A cat.", [(1, 2), (2,)]),
        ("Image-1 and Image-2 share a lawn. It is green.", [(1, 2), (1, 2)]),
        ("They are alike. Image-7: A fish.", [(1, 2), (1, 2)]),
    ],
)
def test_what_names_no_image_is_about_the_one_before_or_about_all(
    text: str, images: list[tuple[int, ...]]
) -> None:
    """Plurals, and what stands before the first name, are about all."""
    assert images == [each.images for each in statements(text, 2, EN)]


def test_chinese_names_are_read() -> None:
    """By the prompt's own pattern."""
    found = statements("图1:一只狗。它很大。图2:一只猫。两张图像都有动物。", 2, ZH)

    assert [(1,), (1,), (2,), (1, 2)] == [each.images for each in found]
    assert [True, False, True, False] == [each.is_named for each in found]
