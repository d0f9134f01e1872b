"""Which images of a set a caption speaks of."""

import pytest

from triptych.filtering.image_numbers import References
from triptych.filtering.references import references
from triptych.filtering.units import units_of
from triptych.records import Language


def read(text: str, language: Language, images: int) -> References:
    return references(text, frozenset(units_of(text)), language, images)


@pytest.mark.parametrize(
    ("text", "images", "named"),
    [
        ("Image-1 shows a dog. Image-2 shows a cat.", 2, {1, 2}),
        ("Images 1 to 3 show dogs, Image 4 a cat.", 4, {1, 2, 3, 4}),
        ("Images 1, 2 and 4 show dogs.", 4, {1, 2, 4}),
        ("The first and second images show dogs; the 3rd photo a cat.", 3, {1, 2, 3}),
        ("The first two pictures show dogs.", 3, {1, 2}),
        ("Image A shows a dog, image B a cat.", 2, {1, 2}),
        ("Image 4 shows a tree.", 3, {4}),
        ("The second floor has three windows; the fifth runner falls.", 2, set()),
        ("In the first image two dogs run; in image 2, three men stand.", 2, {1, 2}),
        ("Image 1 has a wall with four photos; the fourth photo is of a cat.", 2, {1}),
        ("Image II shows a dog, and image III a cat.", 3, {2, 3}),
        ("Image-1 shows a dog, while Image-2 and Image-4 show cats.", 4, {1, 2, 4}),
        ("In image 2 and 21.1 km further on, dogs run.", 2, {2}),
        ("The fourth and last photograph shows a dog.", 4, {4}),
        ("Image 1 has a wall of pictures; the fourth picture in the arrangement is askew.", 2, {1}),
        ("Panel one is a dog, panel two a cat, panel three a bird.", 2, {3}),
    ],
)
def test_english_images_are_named_in_many_ways(text: str, images: int, named: set[int]) -> None:
    """Figures, words, ordinals, ranges and letters; ordinals of other things don't count."""
    assert named == read(text, "en", images).named


@pytest.mark.parametrize(
    ("text", "images", "named"),
    [
        ("图1中有一只狗，图2中有一只猫。", 2, {1, 2}),
        ("图像1至图像3展示了狗，图像4是猫。", 4, {1, 2, 3, 4}),
        ("第一张图片是狗，第二幅图是猫，第3张照片是鸟。", 3, {1, 2, 3}),
        ("图一是狗，图二是猫。", 2, {1, 2}),
        ("图①是狗，图②是猫。", 2, {1, 2}),
        ("第一、二张图展示了狗。", 3, {1, 2}),
        ("第五张图中有一棵树。", 3, {5}),
        ("第五张桌子旁坐着一位女士，图案一共有三种。", 3, set()),
        ("第一张里的桌子旁有一只狗，第二张是带圆角的招牌。", 2, {1, 2}),
        ("图1的墙上挂着四张照片，第四张是一只猫。", 2, {1}),
        ("图片A是狗，图片B是猫。", 2, {1, 2}),
        ("甲图是狗，乙图是猫，丙图是鸟。", 3, {1, 2, 3}),
        ("P1是狗，P2是猫。", 2, {1, 2}),
        ("①是狗，②是猫。", 2, {1, 2}),
        ("图像1最暗，图像-2和图像-4较亮。", 4, {1, 2, 4}),
        ("图1是起点（照片2）和21.1公里处的补给站。", 2, {1, 2}),
        ("图1是相册，其中第五张图片是日落。", 2, {1}),
    ],
)
def test_chinese_images_are_named_in_many_ways(text: str, images: int, named: set[int]) -> None:
    """Figures, characters, ordinals and ranges; a measure word for tables is no image."""
    assert named == read(text, "zh", images).named


@pytest.mark.parametrize(
    ("text", "language", "images", "covered"),
    [
        ("In the first, a dog runs; the second was taken later, and the last shows a cat.", "en", 3, 3),
        ("Both images show a bus.", "en", 2, 2),
        ("The image on the left shows a dog, the image on the right a cat.", "en", 2, 2),
        ("One image shows a dog. The other image shows a cat.", "en", 2, 2),
        ("The first shows a dog. The next shows a cat, and the one after that a bird.", "en", 3, 3),
        ("Frame one has a dog in it. Frame two has a cat.", "en", 2, 2),
        ("The indoor views (second and last) are dark, the first image is bright.", "en", 3, 3),
        ("The first pair of images shows dogs; the second pair shows cats.", "en", 4, 4),
        ("The top-left image shows a dog, the top-right a cat.", "en", 2, 2),
        ("Three photographs of the same dog: by day, by night, in snow.", "en", 3, 3),
        ("The first image shows men; one of them runs. The second image has another dog.", "en", 3, 2),
        ("The first image shows a dog. The other side of the road is empty.", "en", 2, 1),
        ("All four images show a dog. Image 1 is bright. Image 2 is dark.", "en", 4, 2),
        ("A dog runs on both sides of the road.", "en", 2, 0),
        ("Two of the images show dogs, while the other two show cats.", "en", 4, 4),
        ("The first image shows a cup, the second image a man, the one in the middle.", "en", 3, 2),
        ("The first two pictures show dogs. The next two turn to cats.", "en", 4, 4),
        ("Both images show a dog.", "en", 3, 0),
        ("It begins as a spring. By the second photograph it is wide; the third shows the sea.", "en", 3, 3),
        ("The first shows dough, the second shows it risen. In number three, it is bread.", "en", 3, 3),
        ("The first image shows a train. The remaining two leave it behind.", "en", 3, 3),
        ("The spring image has tulips; the summer one, roses; the winter one is white.", "en", 3, 3),
        ("At first a stone is visible. In the second image it is a head; by the last, a man.", "en", 3, 3),
        ("The first three images were taken outdoors, the last in a gym.", "en", 4, 4),
        ("To begin, flour is in a bowl. The second shows dough, the third shows bread.", "en", 3, 3),
        ("The first two images were taken indoors, the last two were taken outdoors.", "en", 4, 4),
        ("A cup is full in the first two images, and only crumbs are left in the last.", "en", 3, 3),
        ("The first image shows a bus. One of the photos has a dog and two cats.", "en", 3, 1),
        ("The second image shows drawers, one of them open. The third image shows a cup.", "en", 3, 2),
        (
            "In one picture, a dog runs. In another, a cat sits; the former is dark, the latter light.",
            "en",
            3,
            2,
        ),
        ("Image-1 shows a dog. The next image has a cat, the one after that a bird.", "en", 3, 3),
        ("While image 1 shows a dog, its companion shows a cat.", "en", 2, 2),
        (
            "In the upper left, a dog. In the upper right, a cat. The lower left picture shows fish.",
            "en",
            3,
            3,
        ),
        ("The first two pictures are dark, and it is bright in the other three.", "en", 5, 5),
        ("左图是狗，右图是猫。", "zh", 2, 2),
        ("前两张图片是狗，后两张图片是猫。", "zh", 4, 4),
        ("第一张是狗，另一张是猫。", "zh", 2, 2),
        ("第一帧是狗，第二帧是猫。", "zh", 2, 2),
        ("第一组图片是狗，第二组图片是猫。", "zh", 4, 4),
        ("左上图是狗，右上图是猫，左下图是鸟，右下图是鱼。", "zh", 4, 4),
        ("第一张图中有狗，第二张图中有猫。前一张较亮，后一张较暗。", "zh", 4, 2),
        ("图1中有一张桌子，另一张桌子上放着一只猫。", "zh", 2, 1),
        ("这四张图都是狗。图1较亮，图2较暗。", "zh", 4, 2),
        ("一只狗在路上奔跑，两侧是树。", "zh", 2, 0),
        ("第一张是狗，倒数第二张是猫，最后一张是鸟。", "zh", 3, 3),
        ("图1是狗，图3是猫。前者较暗，后者较亮。", "zh", 3, 2),
        ("前者是狗，后者是猫。", "zh", 3, 2),
        ("第一幅中，魔术师抽出第七张；第二幅中，女士举起它。", "zh", 2, 2),
        ("一张照片里是狗，另一张照片里是猫。前者较暗，后者较亮。", "zh", 3, 2),
        ("从图像-1开始，是一只狗。下一张里是猫，再下一张是鸟，末尾的那张是鱼。", "zh", 4, 4),
        ("第一张是狗，第二张是猫，院子里的那一张里有树。", "zh", 3, 2),
        ("第一张是狗，下一张是猫。", "zh", 3, 2),
        ("两张图像一实一虚：前者是电话亭，后者是它的倒影。", "zh", 2, 2),
        ("开头一张是狗，最后一张是猫。", "zh", 3, 2),
    ],
)
def test_images_are_covered_one_by_one_or_all_together(
    text: str, language: Language, images: int, covered: int
) -> None:
    """Once single images are named, speaking of all of them together covers no other."""
    assert covered == read(text, language, images).covered


@pytest.mark.parametrize(
    ("text", "language", "counted"),
    [
        ("These four images show a market.", "en", {4}),
        ("Image 1 shows a dog. The other two images show cats.", "en", set()),
        ("All four of the images show a market.", "en", {4}),
        ("Of the four photographs, the first is dark.", "en", {4}),
        ("This quartet of pictures shows a market.", "en", {4}),
        ("The set consists of four photographs of a market.", "en", {4}),
        ("The top row consists of two images of a market, the bottom row of one.", "en", set()),
        ("这五张图片展示了集市。", "zh", {5}),
        ("两张图片展示了集市。", "zh", {2}),
        ("这组图像共有五张，都是集市。", "zh", {5}),
        ("两张图片展示了集市，另一张是河。", "zh", set()),
        ("前两张图片是狗。", "zh", set()),
    ],
)
def test_a_wrong_number_of_images_is_seen(text: str, language: Language, counted: set[int]) -> None:
    """Of three: only what is said of all of them."""
    assert counted == read(text, language, 3).counted
