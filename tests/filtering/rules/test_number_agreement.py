"""English and Chinese captions of the same image with different numbers."""

import pytest

from triptych.filtering.caption import CaptionText
from triptych.filtering.rules.number_agreement import disagreement
from triptych.languages import language_of


@pytest.mark.parametrize(
    ("english", "chinese", "expected"),
    [
        ("Two men stand beside three boats.", "两名男子站在三艘船旁边。", 0.0),
        ("Two men stand beside three boats.", "两名男子站在四艘船旁边。", 1.0),
        ("Two men stand beside three boats.", "两名男子站在船旁边。", 0.0),
        ("Image 2 shows five dogs.", "图像2中有五只狗。", 0.0),
        ("Image 2 shows five dogs.", "图像2中有三只狗。", 1.0),
        ("The second floor has two windows.", "第二层有两扇窗户，门两侧各有一棵树。", 0.0),
    ],
)
def test_contradicting_numbers_are_counted(english: str, chinese: str, expected: float) -> None:
    """For either caption. A number that only one of them has means nothing."""
    there = CaptionText(english, language_of("en"), counterparts={"zh": chinese})
    back = CaptionText(chinese, language_of("zh"), counterparts={"ja": "船。", "en": english})

    assert (expected, expected) == (disagreement(there), disagreement(back))


def test_captions_in_the_same_language_are_not_compared() -> None:
    """Nor is one in a language that can't be read."""
    caption = CaptionText(
        "Two men.", language_of("en"), counterparts={"en": "Three men.", "fr": "Trois hommes."}
    )

    assert 0.0 == disagreement(caption)
