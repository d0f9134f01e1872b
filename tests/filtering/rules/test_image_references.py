"""How the caption of a set names its images: with a contract, and without one by a lenient reader."""

import pytest

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.image_references import (
    beyond_last,
    left_out,
    mentions_only_one,
    missing_images,
    named_images,
    unknown_images,
    unnamed_images,
)
from triptych.languages import language_of
from triptych.prompts import Naming, Prompt

ENGLISH = Naming(label="Image-{number}", pattern=r"(?i)\bimage[- ]?\d+\b")
JAPANESE = Naming(label="画像{number}", pattern=r"画像\d+")


def a_set(text: str, images: int, language: str = "en", naming: Naming | None = ENGLISH) -> CaptionText:
    prompt = Prompt(version=1, text="Describe the images.", naming=naming)
    return CaptionText(text, language_of(language), subject="set", image_count=images, prompt=prompt)


@pytest.mark.parametrize(
    ("text", "missing", "unknown"),
    [
        ("Image-1: a dog. Image-2: a cat. Image-3: a bird.", 0, 0),
        ("Image-1: a dog. Image-3: a bird.", 1, 0),
        ("The first image shows a dog, the second a cat, the third a bird.", 3, 0),
        ("Image-0: a dog. Image-1: a cat. Image-2: a bird.", 1, 1),
        ("Image-1: a dog. Image-2: a cat. Image-3: a bird. Image-4: a fish. Image-5: a fly.", 0, 2),
        ('Image-1: a sign that says "Image-2". Image-3: a bird.', 1, 0),
        ('Image-1: a dog. Image-2: a sign that says "Image 7". Image-3: a bird.', 0, 0),
        ("Image-1: a dog. Image-2: . Image-3: a bird.", 1, 0),
        ("Image-1: Image-2: a cat. Image-3:", 2, 0),
        ('Image-1: "Open" is on a door. Image-2: a cat. Image-3: a bird.', 0, 0),
        ("Image-1: a dog. Image-2: a cat. Image-3: a bird. In the fourth picture is a fish.", 0, 1),
        ("Image-1: a dog. Image-2: a cat. Image-3: a bird. All four images show animals.", 0, 1),
        (
            "Image-1: a photo 5 feet wide. Image-2: a wall; the fourth picture is a map. Image-3: an owl.",
            0,
            0,
        ),
    ],
)
def test_a_contract_is_checked_exactly(text: str, missing: int, unknown: int) -> None:
    """For three images: how many of them aren't named, and how many other numbers are."""

    assert (missing, unknown) == (missing_images(a_set(text, 3)), unknown_images(a_set(text, 3)))


def test_a_contract_is_checked_in_any_language() -> None:
    """Its pattern is enough."""
    caption = a_set("画像1：犬。画像3：猫。", 2, "ja", JAPANESE)

    assert (1, 1) == (missing_images(caption), unknown_images(caption))


def test_an_unpaired_quotation_mark_hides_no_image() -> None:
    """Inch marks don't enclose a quotation."""
    caption = a_set('Image-1: a 12" screen. Image-2: a 15" screen.', 2)

    assert 0 == missing_images(caption)


def test_a_caption_with_a_contract_is_never_flagged() -> None:
    """Missing images are certain, so they reject."""

    assert 0 == unnamed_images(a_set("Image-1: a dog.", 2))


def test_without_a_contract_only_certain_faults_reject() -> None:
    """They are a caption of a single image and a number beyond the last image. Doubtful ones are flagged."""
    of_one = a_set("The image shows a dog. It runs.", 3, naming=None)
    beyond = a_set("The first image shows a dog, the fourth image a cat.", 3, naming=None)
    doubtful = a_set("The first image shows a dog, and the second a cat.", 3, naming=None)

    assert (2, 0) == (missing_images(of_one), unknown_images(of_one))
    assert (0, 1) == (missing_images(beyond), unknown_images(beyond))
    assert (0, 0, 1) == (missing_images(doubtful), unknown_images(doubtful), unnamed_images(doubtful))


def test_without_a_contract_other_languages_are_not_read() -> None:
    """They score 0, because nothing is rejected that can't be read."""
    caption = a_set("画像4は犬です。", 2, "ja", naming=None)

    assert (0, 0, 0) == (missing_images(caption), unknown_images(caption), unnamed_images(caption))


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
def test_english_names_of_images_are_read(text: str, images: int, named: set[int]) -> None:
    """Digits, words, ordinals, ranges and lists."""

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
        ("两张图片四周有白边，照片五官清晰，图三展示了猫。", 3, {3}),
    ],
)
def test_chinese_names_of_images_are_read(text: str, images: int, named: set[int]) -> None:
    """Digits, characters, ordinals and ranges."""

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
        ("A tram and a bus. All three images show streets.", "en", 2, {3}),
        ("A tram and a bus. The three photographs in her hand are old.", "en", 2, set()),
        ("电车和公交车。三张图片都是街道。", "zh", 2, {3}),
        ("电车和公交车。桌上放着三张照片。", "zh", 2, set()),
        ("图4是一棵树。", "zh", 3, {4}),
        ("第四张图片是一棵树。", "zh", 3, {4}),
        ("这五张图片展示了集市。", "zh", 4, {5}),
        ("图1的墙上挂着四张照片，第四张照片是一只猫。", "zh", 2, set()),
        ("第五张桌子旁坐着一位女士。", "zh", 3, set()),
    ],
)
def test_a_number_beyond_the_last_image_counts_only_if_it_is_certain(
    text: str, language: str, images: int, beyond: set[int]
) -> None:
    """It must be an expression that can only mean an image of the set."""

    assert beyond == beyond_last(text.lower(), language, images)


@pytest.mark.parametrize(
    ("text", "language", "others"),
    [
        ("A dog runs. Image-2 shows the same dog.", "en", 1),
        ("In the image 2 dogs run, and the second image of the collage is older.", "en", 0),
        ("A textbook page has a heart, and Image 2 is below.", "en", 0),
        ("一只狗在奔跑。图2中狗趴在沙发上。", "zh", 1),
        ("图中2只狗在奔跑，课本上的图2是心脏。", "zh", 0),
    ],
)
def test_the_caption_of_a_single_image_must_not_name_another(text: str, language: str, others: int) -> None:
    """Pictures within the image may have such names."""

    assert others == unknown_images(CaptionText(text, language_of(language)))


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
def test_a_caption_of_a_single_image_is_recognised_by_its_first_words(
    text: str, language: str, is_one: bool
) -> None:
    """It has no word that suggests several images."""

    assert is_one == mentions_only_one(text.lower(), language)


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
    """None, if the caption describes all others together, or several images without naming them."""

    assert count == left_out(text.lower(), language, images)
