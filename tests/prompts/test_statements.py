"""Captions are divided into statements, each with the images that it is about."""

import pytest

from tests.support.contexts import JOBS
from triptych.prompts import Naming, load_prompt
from triptych.prompts.statements import statements

EN, ZH = (load_prompt(JOBS[name]).naming for name in ("multi_en", "multi_zh"))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A dog sits. It is 3.5 m long!", ["A dog sits.", "It is 3.5 m long!"]),
        ("A dog; a cat? Both.", ["A dog;", "a cat?", "Both."]),
        ("St. Mary's church, e.g. its tower. A man.", ["St. Mary's church, e.g. its tower.", "A man."]),
        ("A man with it. Turned on. A TV. No. 5.", ["A man with it.", "Turned on.", "A TV.", "No. 5."]),
        ("Toys, etc. A man, etc. too.", ["Toys, etc.", "A man, etc. too."]),
        ('It reads "Stop!" in red. "Go." is below.', ['It reads "Stop!" in red.', '"Go." is below.']),
        ('It reads "Stop." A man. a dog.', ['It reads "Stop."', "A man.", "a dog."]),
        ("A shop named Yahoo! is open... or not. Why?", ["A shop named Yahoo! is open... or not.", "Why?"]),
        ("1. A dog. 2. A cat.", ["1. A dog.", "2. A cat."]),
        ("一只狗。它很大！牌子写着“停！”两个字。", ["一只狗。", "它很大！", "牌子写着“停！”两个字。"]),
        ("一只狗；一只猫？！“停。”\n一个人", ["一只狗；", "一只猫？！", "“停。”", "一个人"]),
        ("  A dog \n\n A cat  ", ["A dog", "A cat"]),
        ("... !? A dog.", ["A dog."]),
        ("", []),
    ],
)
def test_statements_end_at_sentences_and_semicolons(text: str, parts: list[str]) -> None:
    """Not after numbers and short abbreviations."""
    assert parts == [text[each.start : each.end] for each in statements(text, 1, None)]


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("Image-1: A dog. It is brown. Image-2: A cat.", [(1,), (1,), (2,)]),
        ("Image-1: A dog. Image-2: A cat. It sleeps. Both images are warm.", [(1,), (2,), (2,), (1, 2)]),
        ("The pictures show animals. Image-2: A cat.", [(1, 2), (2,)]),
        ("Image-1 and Image-2 share a lawn. It is green.", [(1, 2), (1, 2)]),
        ("They are alike. Image-7: A fish.", [(1, 2), (1, 2)]),
        ("Image-1: A boat with a man in it. Image-2: A cat. It sleeps.", [(1,), (2,), (2,)]),
        ("Image-1: A dog. They share it. Image-2: Cats. They share it.", [(1,), (1,), (2,), (1, 2)]),
        ("Image-1: A dog. Image-2: A cat. Both show a lawn.", [(1,), (2,), (1, 2)]),
        ("Image-1: Two photos hang on a wall. It has 3 scenes on it.", [(1,), (1,)]),
        ("Image-1: A dog. The second picture has a cat. It sleeps.", [(1,), (2,), (2,)]),
    ],
)
def test_a_statement_without_a_name_is_about_the_previous_image_or_all(
    text: str, images: list[tuple[int, ...]]
) -> None:
    """It is about all images if it has a plural, or comes before the first name."""
    assert images == [each.images for each in statements(text, 2, EN)]


@pytest.mark.parametrize(
    ("text", "naming", "images"),
    [
        ("Images 1 and 3 show cats. Images 1, 2, and 3 are warm.", EN, [(1, 3), (1, 2, 3)]),
        ("图1和3都有猫。图1、2、3都很暖。", ZH, [(1, 3), (1, 2, 3)]),
        ("图1：狗。图2：猫。图3：鱼。两者都在。共同点是草地。", ZH, [(1,), (2,), (3,), (1, 2, 3), (1, 2, 3)]),
    ],
)
def test_one_phrase_can_name_several_images(text: str, naming: Naming, images: list[tuple[int, ...]]) -> None:
    """With several numbers after one word."""
    assert images == [each.images for each in statements(text, 3, naming)]


@pytest.mark.parametrize(
    ("text", "images"),
    [
        ("图1：一只猫坐在地上。这张照片里还有一条红毯。图2：一条狗。", [(1,), (1,), (2,)]),
        ("图1：墙上贴着三张照片。一幅画面温馨。第二张图片里有一条狗。", [(1,), (1,), (2,)]),
        ("图1：猫。图2：狗。这两张照片都很暖。每张图都有草地。", [(1,), (2,), (1, 2), (1, 2)]),
        ("三张图像都有动物。图1：猫。", [(1, 2), (1,)]),
    ],
)
def test_a_chinese_measure_word_alone_is_no_plural(text: str, images: list[tuple[int, ...]]) -> None:
    """Nor are several photographs that are shown in one image."""
    assert images == [each.images for each in statements(text, 2, ZH)]


def test_chinese_names_are_read() -> None:
    """With the pattern of the prompt."""
    found = statements("图1:一只狗。它很大。图2:一只猫。两张图像都有动物。", 2, ZH)

    assert [(1,), (1,), (2,), (1, 2)] == [each.images for each in found]
    assert [True, False, True, False] == [each.is_named for each in found]
