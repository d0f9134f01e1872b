"""Which images of a set a caption speaks of.

Comes in: text, language, number of images. Goes out: the numbers that it names, and whether it speaks
of all of them together. English and Chinese, in figures, words and ordinals; ranges, "the last two",
"the other". An ordinal that belongs to something else ("the second floor", "第二张桌子") is no image.
Not its job: judging (see images).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from triptych.filtering.chinese_references import chinese_references
from triptych.filtering.english_references import english_references
from triptych.filtering.image_numbers import References
from triptych.records import Language


def references(text: str, words: AbstractSet[str], language: Language, image_count: int) -> References:
    """What ``text``, whose cue words are ``words``, says of the images of a set of ``image_count``."""
    while "  " in text:
        text = text.replace("  ", " ")
    return (
        chinese_references(text, image_count)
        if language == "zh"
        else english_references(text, words, image_count)
    )
