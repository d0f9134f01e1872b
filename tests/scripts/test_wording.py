"""Captions of scenes: true, parseable, and dependent on what is visible only."""

from __future__ import annotations

from random import Random

import pytest

from scripts.nano.reading import read_images, read_things, theme_of, untrue_statements
from scripts.nano.untruths import PLANTED, planted_caption
from scripts.nano.vocabulary import KINDS_ZH, PLACES_EN, PLACES_ZH
from scripts.nano.wording import describe, describe_set
from triptych.demo.scene import KINDS, PLACES, THEMES, Scene, Thing, imagine_scene, vary_scene

LANGUAGES: tuple[str, ...] = ("en", "zh")


def things_of(scene: Scene) -> list[tuple[str, str]]:
    """(colour, kind) of each thing, left to right."""
    return [(thing.colour, thing.kind) for thing in scene.things]


def related_set(index: int, n_images: int) -> list[Scene]:
    """A scene and its variations."""
    scene = imagine_scene("train", index)
    return [scene, *(vary_scene(scene, "train", i) for i in range(n_images - 1))]


HARBOUR = Scene("harbour", (Thing("sailboat", "red", "left"), Thing("whale", "orange", "right")), 1)
HARBOUR_TOO = Scene(
    "harbour",
    (
        Thing("ship", "white", "left"),
        Thing("sailboat", "red", "middle"),
        Thing("balloon", "pink", "right"),
    ),
    2,
)
BEACH = Scene("beach", (Thing("crab", "red", "left"), Thing("kite", "green", "right")), 3)


def test_a_single_caption_tells_theme_count_things_and_places() -> None:
    """The English sentences, word by word."""
    assert describe(HARBOUR, "en") == (
        "This picture shows a calm harbour by the open sea. There are two things in it. On the left is a red"
        " sailboat and on the right is an orange whale. Small waves glitter on the blue water."
    )


def test_a_chinese_caption_uses_measure_words_and_chinese_punctuation() -> None:
    """The Chinese sentences, word by word."""
    assert describe(HARBOUR, "zh") == (
        "图中是一个宁静的港口，面向开阔的大海。里面有两样东西。左边是一艘红色的帆船，右边是一头橙色的鲸鱼。"
        "蓝色的水面上泛着细小的波浪。"
    )


def test_a_set_caption_tells_each_image_then_a_difference_then_what_is_shared() -> None:
    """The English set caption, word by word."""
    assert describe_set([HARBOUR, HARBOUR_TOO], "en") == (
        "Image-1: a harbour with two things, a red sailboat on the left and an orange whale on the right."
        " Image-2: a harbour with three things, a white ship on the left, a red sailboat in the middle and a"
        " pink hot-air balloon on the right. Image-2 has the most things, three. Both images show a harbour."
    )


def test_a_chinese_set_caption_says_the_same() -> None:
    """The Chinese set caption, word by word."""
    assert describe_set([HARBOUR, HARBOUR_TOO], "zh") == (
        "图1:港口，有两样东西，左边是一艘红色的帆船，右边是一头橙色的鲸鱼。图2:港口，有三样东西，"
        "左边是一艘白色的轮船，中间是一艘红色的帆船，右边是一个粉色的热气球。图2的东西最多，有三样。"
        "这两张图像都展示了港口。"
    )


def test_a_set_of_different_themes_shares_none() -> None:
    """The caption says so."""
    caption = describe_set([HARBOUR, BEACH], "en")

    assert caption.endswith("Each of them has two things. Both images show different places.")


@pytest.mark.parametrize("n_images", [0, 1, 6])
def test_a_set_has_two_to_five_images(n_images: int) -> None:
    """Any other number is refused, with the number found."""
    with pytest.raises(ValueError, match=f"found {n_images} scenes"):
        describe_set([HARBOUR] * n_images, "en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_single_captions_read_back_to_their_scene(language: str) -> None:
    """Every thing in order, and the theme."""
    for index in range(1000):
        scene = imagine_scene("train", index)
        caption = describe(scene, language)

        assert things_of(scene) == read_things(caption, language)
        assert scene.theme == theme_of(caption, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("n_images", [2, 3, 4, 5])
def test_set_captions_read_back_to_their_scenes(language: str, n_images: int) -> None:
    """Every thing of every image, by image number."""
    for index in range(200):
        scenes = related_set(index, n_images)
        caption = describe_set(scenes, language)

        assert [things_of(scene) for scene in scenes] == read_images(caption, language, n_images)
        assert scenes[0].theme == theme_of(caption, language)
        assert [] == untrue_statements(caption, language, scenes)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("n_images", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_untruth_is_the_one_that_is_found(language: str, n_images: int, kind: str) -> None:
    """Exactly one statement of the caption is found to be untrue."""
    rng = Random(n_images)
    drawn = 0
    for index in range(40):
        scenes = related_set(index, n_images)
        caption = planted_caption(scenes, language, kind, rng)
        if caption is not None:
            drawn += 1
            assert 1 == len(untrue_statements(caption, language, scenes)), caption
    can_be = kind not in ("other image", "shared") if n_images == 1 else kind != "theme"
    assert (drawn > 20) == can_be


@pytest.mark.parametrize("language", LANGUAGES)
def test_scenes_with_the_same_things_have_the_same_caption(language: str) -> None:
    """The seed has no effect on a caption."""
    reseeded = Scene(HARBOUR.theme, HARBOUR.things, HARBOUR.seed + 1)

    assert describe(HARBOUR, language) == describe(reseeded, language)


def test_every_kind_theme_and_place_has_words_in_both_languages() -> None:
    """Every imagined scene can be described."""
    places = {place for row in PLACES.values() for place in row}

    assert set(KINDS) == set(KINDS_ZH)
    assert places == set(PLACES_EN) == set(PLACES_ZH)
    for theme, contents in THEMES.items():
        scene = Scene(theme, (Thing(contents.kinds[0], "red", "left"),) * 2, 0)
        assert theme == theme_of(describe(scene, "en"), "en") == theme_of(describe(scene, "zh"), "zh")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "caption", ["", "image", "Image 9 shows a red", "图像1中有图像7", "a a a\n红色", "İ image 1"]
)
def test_nonsense_reads_as_nothing(language: str, caption: str) -> None:
    """Broken model output scores zero instead of raising an error."""
    assert read_things(caption, language) == []
    assert read_images(caption, language, 2) == [[], []]
    assert theme_of(caption, language) is None


def test_an_imperfect_caption_still_counts_for_what_it_names() -> None:
    """Things are found despite case, added size words, plain balloon, 粉红色."""
    assert read_things("A Red balloon, two blue small cars", "en") == [("red", "balloon"), ("blue", "car")]
    assert read_things("一只粉红色螃蟹，红色的的巴士，红色巴士", "zh") == [("pink", "crab"), ("red", "bus")]
