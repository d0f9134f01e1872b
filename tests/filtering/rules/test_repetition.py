"""Captions that repeat themselves."""

import pytest

from tests.support.caption_texts import GOOD_EN, GOOD_ZH, violations
from tests.support.other_languages import GOOD_CAPTIONS
from triptych.filtering.rules.repetition import sentences_of
from triptych.languages import LANGUAGES

SET_EN = (
    "These three images show a street, each with a red car. Image 1 shows a red car and a blue house;"
    " image 2 shows a red car and a blue house; image 3 shows a red car, a blue house and a green bus."
)
SET_ZH = (
    "这三张图像都展示了街道。图像1中有一辆红色的汽车；图像2中有一辆红色的汽车；图像3中有一辆绿色的公共汽车。"
)


@pytest.mark.parametrize(
    ("language", "text", "images"),
    [
        ("en", "A red boat lies beside the wooden pier in the light. " * 20, 1),
        ("zh", "一艘红色的船停在木码头旁边，远处是山。" * 20, 1),
        ("en", "boat " * 60 + ".", 1),
        ("zh", "船" * 100 + "。", 1),
        ("en", GOOD_EN.removesuffix(".") + " and a tree" * 12 + ".", 1),
        ("zh", GOOD_ZH.removesuffix("。") + "，还有一棵树" * 8 + "。", 1),
        ("en", "A" * 300 + ".", 1),
        (
            "zh",
            "街角有一家药店。画面中呈现出安静的街道和行人。门前有长椅。画面中呈现出安静的街道和路人。"
            "门上有十字标志。画面中呈现出安静又空旷的街道。画面中呈现出安宁的气氛。",
            1,
        ),
        (
            "zh",
            "门前有一张长椅。整条街道都给人以清幽宁静的感觉。整条街道都给人以宁静清幽的感觉。远处是山。",
            1,
        ),
        ("en", (SET_EN + " ") * 6, 3),
        ("zh", SET_ZH * 6, 3),
        ("ja", GOOD_CAPTIONS["ja"][0] * 3, 1),
        ("th", GOOD_CAPTIONS["th"][0] * 3, 1),
        ("ru", (GOOD_CAPTIONS["ru"][0] + " ") * 3, 1),
    ],
)
def test_a_caption_that_repeats_itself_is_found(language: str, text: str, images: int) -> None:
    """It may repeat sentences, or a phrase, word or character in a loop, in any language."""
    assert "repeated" in violations(text, language, images)


def test_a_sentence_pattern_that_is_filled_in_again_and_again_is_found() -> None:
    """No long part of it is repeated literally."""
    colours = "white black red blue green yellow brown grey pink orange".split()
    text = " ".join(f"There is also a {colour} car here." for colour in colours)

    assert "repeated" in violations(GOOD_EN + " " + text)


def test_every_occurrence_of_a_repeated_sentence_counts() -> None:
    """A sentence that occurs twenty times scores 19/20."""
    score = violations("一艘红色的船停在木码头旁边，远处是青色的山。" * 20, "zh")["repeated"]

    assert pytest.approx(19 / 20) == score


@pytest.mark.parametrize(
    ("language", "text", "images"),
    [
        ("en", "On the shore there is a red boat and a blue boat, a red car and a blue car.", 1),
        ("en", "The very, very, very large balloon floats over the meadow in the warm evening sun.", 1),
        ("zh", "图中左边有一艘红色的船，右边有一艘蓝色的船，中间有一艘绿色的船，远处有一艘白色的船。", 1),
        ("en", "; ".join(f"image {i} shows a red boat" for i in range(1, 6)) + ".", 5),
        ("zh", "；".join(f"图像{i}中有一艘红色的船和一座灯塔" for i in range(1, 6)) + "。", 5),
    ],
)
def test_enumerations_are_not_repetitions(language: str, text: str, images: int) -> None:
    """Similar things, and each image of a set, are described in similar words."""
    assert {} == violations(text, language, images)


TRAMS = (
    "Image 1 shows a red tram on a cobbled street with the destination board reading 12. Image 2 shows the"
    " same red tram seen from the side, with the number 45."
)


@pytest.mark.parametrize(
    ("language", "text", "images"),
    [
        ("en", f"{TRAMS} {TRAMS}", 2),
        ("en", f"{TRAMS} {TRAMS.replace('cobbled street', 'paved street').replace('seen', 'viewed')}", 2),
        ("en", f"{TRAMS} {TRAMS} {TRAMS}", 3),
        (
            "zh",
            "图1是12号电车，停在石板路上；图2是45号电车的侧面。图1是12号电车，停在石板路上；图2是45号电车侧面。",
            2,
        ),
    ],
)
def test_a_text_that_is_repeated_as_a_whole_is_found(language: str, text: str, images: int) -> None:
    """Even if its sentences end in numbers, if it describes a set, or if a few words differ."""
    assert 0.5 <= violations(text, language, images)["repeated"]


def test_the_same_sentence_on_two_images_is_a_repetition() -> None:
    """The different names of the images don't matter."""
    text = "图1:一辆红色电车停在石砌教堂前的站台。图2:一辆红色电车停在石砌教堂前的站台。两图都是城市。"

    assert "repeated" in violations(text, "zh", 2)
    assert "repeated" not in violations(text.replace("站台。两", "广场，有雨。两"), "zh", 2)


def test_similar_sentences_on_two_images_are_no_repetition() -> None:
    """They differ in the image's number and one detail."""
    text = (
        "Image 1 shows a red tram with a white roof in front of a church, and a man with an umbrella waits."
        " Image 2 shows a red tram with a white roof in front of a theater, and a man with an umbrella waits."
    )

    assert "repeated" not in violations(text, "en", 2)


def test_sentences_end_at_marks_and_line_breaks() -> None:
    """A full stop between digits doesn't end one."""
    text = "A sign at 2.5 m; it reads nothing. Rain!\n一只猫。两只狗"

    sentences = [len(units) for units in sentences_of(text.lower(), LANGUAGES["en"])]

    assert [6, 3, 1, 3, 3] == sentences
