"""Repair a caption by removing the sentences that a checker denied.

Comes in: a caption's text, and the positions of its denied statements. Goes out: the remaining text, if it is
still a caption. Not its job: asking a checker (see captioning.checking), judging the remaining text (see
rules).
"""

from __future__ import annotations

from collections.abc import Collection

from triptych.prompts import Naming
from triptych.prompts.statements import statements

_FULL_STOPS = {";": ".", "；": "。"}
"""What replaces a semicolon when the statement after it is removed."""


def repair_caption(
    text: str, image_count: int, naming: Naming | None, denied: Collection[tuple[int, int]]
) -> str | None:
    """``text`` without the statements at ``denied``, or None if it can't be repaired.

    That is the case if nothing remains. In a caption of a set it is also the case if an image is no longer
    named, or if a sentence that names no image would now refer to another one than before.
    """
    left = text
    for start, end in sorted(denied, reverse=True):
        before, after, closing = left[:start], left[end:].lstrip(), left[end - 1]
        last = before.rstrip()
        if not after and last[-1:] in _FULL_STOPS:
            before = last[:-1] + _FULL_STOPS[last[-1]]
        elif closing in _FULL_STOPS and last[-1:] not in _FULL_STOPS:
            after = after[:1].upper() + after[1:]
        left = before + after
    left = left.strip()
    kept = [each for each in statements(text, image_count, naming) if (each.start, each.end) not in denied]
    has_same_images = [each.images for each in kept] == [
        each.images for each in statements(left, image_count, naming)
    ]
    unnamed = set[int]() if naming is None else naming.missing(left, image_count)
    return left if kept and has_same_images and not unnamed else None
