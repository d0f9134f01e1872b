"""The lenient reader: which images of a set prose speaks of."""

import pytest

from triptych.filtering.rules.image_references import beyond_last, left_out, named_images, speaks_of_one


@pytest.mark.parametrize(
    ("text", "images", "named"),
    [
        ("Image-1 shows a dog. Image-2 shows a cat.", 2, {1, 2}),
        ("Images 1 to 3 show dogs, Image 4 a cat.", 4, {1, 2, 3, 4}),
        ("Images 1, 2 and 4 show dogs.", 4, {1, 2, 4}),
        ("The first and second images show dogs; the 3rd photo a cat.", 3, {1, 2, 3}),
        ("The first two pictures show dogs.", 3, {1, 2}),
        ("The last two were taken by night.", 3, {2, 3}),
        ("Image A shows a dog, image B: a cat.", 2, {2}),
        ("In the first image two dogs run; in image 2, three men stand.", 2, {1, 2}),
        ("In image 2 and 21.1 km further on, dogs run.", 2, {2}),
        ("The fourth and last photograph shows a dog.", 4, {4}),
        ("The second floor has three windows.", 2, set()),
    ],
)
def test_english_images_are_named_in_several_ways(text: str, images: int, named: set[int]) -> None:
    """Figures, words, ordinals, ranges and lists."""

    assert named == named_images(text.lower(), "en", images)


@pytest.mark.parametrize(
    ("text", "images", "named"),
    [
        ("图1中有一只狗，图2中有一只猫。", 2, {1, 2}),
        ("图像1至图像3展示了狗，图像4是猫。", 4, {1, 2, 3, 4}),
        ("第一张图片是狗，第二幅图是猫，第3张照片是鸟。", 3, {1, 2, 3}),
        ("图一是狗，图②是猫。", 2, {1, 2}),
        ("第一、二张图展示了狗。", 3, {1, 2}),
        ("后两张图片是猫。", 4, {3, 4}),
        ("图片A是狗，图片B是猫。", 2, {1, 2}),
        ("Image-1是狗，Image-2是猫。", 2, {1, 2}),
        ("第一张是狗，最后一张是鸟。", 3, {1, 3}),
        ("图一张一合，图案共有三种，画面十分明亮。", 3, set()),
    ],
)
def test_chinese_images_are_named_in_several_ways(text: str, images: int, named: set[int]) -> None:
    """Figures, characters, ordinals and ranges."""

    assert named == named_images(text.lower(), "zh", images)


@pytest.mark.parametrize(
    ("text", "language", "images", "beyond"),
    [
        ("Image 4 shows a tree.", "en", 3, {4}),
        ("The fourth image shows a tree.", "en", 3, {4}),
        ("These five images show a market.", "en", 4, {5}),
        ("Image 1 has a wall of photographs; the fourth photograph is of a cat.", "en", 2, set()),
        ("The fifth runner falls.", "en", 2, set()),
        ("In image 2, 3 people wait.", "en", 2, set()),
        ("图4是一棵树。", "zh", 3, {4}),
        ("第四张图片是一棵树。", "zh", 3, {4}),
        ("这五张图片展示了集市。", "zh", 4, {5}),
        ("图1的墙上挂着四张照片，第四张照片是一只猫。", "zh", 2, set()),
        ("第五张桌子旁坐着一位女士。", "zh", 3, set()),
    ],
)
def test_an_image_beyond_the_last_is_certain(text: str, language: str, images: int, beyond: set[int]) -> None:
    """Only what nothing but an image of the set can be called."""

    assert beyond == beyond_last(text.lower(), language, images)


@pytest.mark.parametrize(
    ("text", "language", "is_one"),
    [
        ("The image shows a dog on a beach. Its tail is wet.", "en", True),
        ("In this photograph, a dog runs along a beach.", "en", True),
        ("The image shows a dog, and the second image a cat.", "en", False),
        ("The picture on the left shows a dog, the picture on the right a cat.", "en", False),
        ("A dog runs along a beach.", "en", False),
        ("这张照片展示了一只狗在海滩上奔跑。", "zh", True),
        ("图中是一只狗，另一张图中是一只猫。", "zh", False),
        ("一只狗在海滩上奔跑。", "zh", False),
    ],
)
def test_a_caption_of_one_image_says_so_from_the_start(text: str, language: str, is_one: bool) -> None:
    """And has no word that only several images call for."""

    assert is_one == speaks_of_one(text.lower(), language)


@pytest.mark.parametrize(
    ("text", "language", "images", "count"),
    [
        ("The first image shows a dog. The second image shows a cat.", "en", 3, 1),
        ("The first image shows a dog. The remaining two show cats.", "en", 3, 0),
        ("One image shows a dog. The other image shows a cat.", "en", 2, 0),
        ("Both images show a bus.", "en", 2, 0),
        ("A dog runs on both sides of the road.", "en", 2, 0),
        ("A dog runs along a beach.", "en", 3, 2),
        ("第一张图片是狗，第三张图片是猫。", "zh", 3, 1),
        ("左图是狗，右图是猫。", "zh", 2, 0),
        ("第一张是狗，其余是猫。", "zh", 4, 0),
        ("一只狗在海滩上奔跑。", "zh", 3, 2),
    ],
)
def test_images_that_seem_to_be_left_out_are_counted(
    text: str, language: str, images: int, count: int
) -> None:
    """None where the caption speaks of all others together, or of several without naming any."""

    assert count == left_out(text.lower(), language, images)
