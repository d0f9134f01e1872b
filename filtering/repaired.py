"""A caption without the sentences that a checker denied.

Comes in: a caption's text, where statements lie in it that were denied. Goes out: what is left, where that is
still a caption. Not its job: asking a checker (see captioning.checking), judging what is left (see rules).
"""

from __future__ import annotations

from collections.abc import Collection

from triptych.prompts import Naming
from triptych.prompts.statements import statements

_SEMICOLONS = {";": ".", "；": "。"}
"""What a sentence ends with in place of one that stood before a statement that is gone."""


def repaired(
    text: str, image_count: int, naming: Naming | None, denied: Collection[tuple[int, int]]
) -> str | None:
    """``text`` without the statements at ``denied``; None where that can't be.

    That is where nothing is left, or of a set's caption: where an image isn't named any more, or a sentence
    would be about another image than before, since it named none and the sentence before it is gone.
    """
    left = text
    for start, end in sorted(denied, reverse=True):
        before, after, closing = left[:start], left[end:].lstrip(), left[end - 1]
        last = before.rstrip()
        if not after and last[-1:] in _SEMICOLONS:
            before = last[:-1] + _SEMICOLONS[last[-1]]
        elif closing in _SEMICOLONS and last[-1:] not in _SEMICOLONS:
            after = after[:1].upper() + after[1:]
        left = before + after
    left = left.strip()
    kept = [each for each in statements(text, image_count, naming) if (each.start, each.end) not in denied]
    now = statements(left, image_count, naming)
    about_the_same = [each.images for each in kept] == [each.images for each in now]
    unnamed = set[int]() if naming is None else naming.missing(left, image_count)
    return left if kept and about_the_same and not unnamed else None
