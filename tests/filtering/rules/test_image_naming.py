"""Rules on how the caption of a set names its images, with a contract and without."""

import pytest

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.image_naming import missing_images, unknown_images, unnamed_images
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
    ],
)
def test_a_contract_is_checked_exactly(text: str, missing: int, unknown: int) -> None:
    """Three images: how many aren't named, and how many numbers aren't theirs."""

    assert (missing, unknown) == (missing_images(a_set(text, 3)), unknown_images(a_set(text, 3)))


def test_a_contract_is_checked_in_any_language() -> None:
    """The pattern is all that it takes."""
    caption = a_set("画像1：犬。画像3：猫。", 2, "ja", JAPANESE)

    assert (1, 1) == (missing_images(caption), unknown_images(caption))


def test_a_quotation_mark_that_does_not_close_hides_no_image() -> None:
    """Inches between two images are no quotation."""
    caption = a_set('Image-1: a 12" screen. Image-2: a 15" screen.', 2)

    assert 0 == missing_images(caption)


def test_a_caption_with_a_contract_is_not_flagged() -> None:
    """What is missing is known."""

    assert 0 == unnamed_images(a_set("Image-1: a dog.", 2))


def test_without_a_contract_only_certain_violations_reject() -> None:
    """A caption of one image, and an image beyond the last; a doubtful one is flagged."""
    of_one = a_set("The image shows a dog. It runs.", 3, naming=None)
    beyond = a_set("The first image shows a dog, the fourth image a cat.", 3, naming=None)
    doubtful = a_set("The first image shows a dog, and the second a cat.", 3, naming=None)

    assert (2, 0) == (missing_images(of_one), unknown_images(of_one))
    assert (0, 1) == (missing_images(beyond), unknown_images(beyond))
    assert (0, 0, 1) == (missing_images(doubtful), unknown_images(doubtful), unnamed_images(doubtful))


def test_without_a_contract_other_languages_are_not_read() -> None:
    """They score 0: nothing is rejected that can't be read."""
    caption = a_set("画像4は犬です。", 2, "ja", naming=None)

    assert (0, 0, 0) == (missing_images(caption), unknown_images(caption), unnamed_images(caption))
