"""Captions of scenes: true, readable back, and a function of what is visible."""

from __future__ import annotations

import pytest

from scripts.nano.reading import read_set, read_things, theme_of
from scripts.nano.vocabulary import KINDS_ZH, PLACES_EN, PLACES_ZH
from scripts.nano.wording import describe, describe_set
from triptych.demo.scene import KINDS, PLACES, THEMES, Scene, Thing, imagine_scene, vary_scene

LANGUAGES: tuple[str, ...] = ("en", "zh")


def things_of(scene: Scene) -> list[tuple[str, str]]:
    """(colour, kind) of each thing, left to right."""
    return [(thing.colour, thing.kind) for thing in scene.things]


def related_set(index: int, n_images: int) -> list[Scene]:
    """A scene and variations of it."""
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


def test_a_single_caption_tells_theme_things_and_places() -> None:
    """The English sentence, word by word."""
    assert describe(HARBOUR, "en") == (
        "This picture shows a calm harbour by the open sea. On the left is a red sailboat and on the right"
        " is an orange whale. Small waves glitter on the blue water."
    )


def test_a_chinese_caption_uses_measure_words_and_chinese_punctuation() -> None:
    """The Chinese sentence, word by word."""
    assert describe(HARBOUR, "zh") == (
        "图中是一个宁静的港口，面向开阔的大海。左边是一艘红色的帆船，右边是一头橙色的鲸鱼。蓝色的水面上泛着细小的波浪。"
    )


def test_a_set_caption_tells_what_is_shared_then_each_image_then_a_difference() -> None:
    """The English set caption, word by word."""
    assert describe_set([HARBOUR, HARBOUR_TOO], "en") == (
        "These two images show a calm harbour by the open sea, each with a red sailboat. Image 1 shows a red"
        " sailboat and an orange whale; image 2 shows a white ship, a red sailboat and a pink hot-air"
        " balloon. Image 2 has the most things, with three."
    )


def test_a_chinese_set_caption_says_the_same() -> None:
    """The Chinese set caption, word by word."""
    assert describe_set([HARBOUR, HARBOUR_TOO], "zh") == (
        "这两张图像都展示了宁静的港口，每张图像中都有一艘红色的帆船。图像1中有一艘红色的帆船和一头橙色的鲸鱼；"
        "图像2中有一艘白色的轮船、一艘红色的帆船和一个粉色的热气球。图像2的物体最多，有三个。"
    )


def test_a_set_of_different_themes_names_them_all() -> None:
    """A plain opening, and no thing claimed to be shared."""
    caption = describe_set([HARBOUR, BEACH], "en")

    assert caption.startswith(
        "These two images show a harbour and a beach, but no single thing appears in all of them."
    )
    assert caption.endswith("Every image has two things.")


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

        assert [things_of(scene) for scene in scenes] == read_set(caption, language, n_images)
        assert scenes[0].theme == theme_of(caption, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_scenes_that_hold_the_same_have_the_same_caption(language: str) -> None:
    """The seed, which no caption mentions, changes no word."""
    twin = Scene(HARBOUR.theme, HARBOUR.things, HARBOUR.seed + 1)

    assert describe(HARBOUR, language) == describe(twin, language)


def test_every_kind_theme_and_place_has_words_in_both_languages() -> None:
    """A scene that can be imagined can be told."""
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
    """What a model wrote may be broken; the score is then zero, not an error."""
    assert read_things(caption, language) == []
    assert read_set(caption, language, 2) == [[], []]
    assert theme_of(caption, language) is None


def test_an_imperfect_caption_still_counts_for_what_it_says() -> None:
    """Small slips in form don't hide the things: case, added size words, plain balloon, 粉红色."""
    assert read_things("A Red balloon, two blue small cars", "en") == [("red", "balloon"), ("blue", "car")]
    assert read_things("一只粉红色螃蟹，红色的的巴士，红色巴士", "zh") == [("pink", "crab"), ("red", "bus")]
