"""The worse one of two captions of the same images, for rows that trainers of preferences read.

Comes in: kept captions, what the model wrote, how captions of sets name their images. Goes out: for each a
caption that is worse: what the model wrote before a person or a repair changed it; else, made from the kept
one, with the parts of two images of a set swapped, with a sentence of another image, or cut. Not its job: the
fields around them (see formats.preference).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from triptych.export.formats.preference import Rejected, cut
from triptych.prompts import Naming
from triptych.prompts.statements import statements
from triptych.runs.plan import Planned
from triptych.runs.sampling import hash64


def rejected_for(at: int, kept: Sequence[tuple[Planned, str]], naming: Naming | None) -> Rejected:
    """For the caption ``at`` of those that a shard keeps, with their texts.

    It depends on nothing but these, so the same run gives the same pairs.
    """
    planned, text = kept[at]
    verdict, caption, count = planned.verdict, planned.caption, len(planned.target.images)
    if verdict is not None and verdict.text and caption is not None and caption.text != text:
        return Rejected(caption.text, "check" if verdict.removed else "people")
    chance = hash64(f"{planned.target.id} rejected")
    if count > 1 and naming is not None:
        swapped = with_swapped_parts(text, count, naming, chance)
        return Rejected(swapped, "swapped") if swapped is not None else cut(text)
    keys = {image.key for image in planned.target.images}
    for step in range(len(kept)):  # from the middle of the shard on: what lies beside it may look the same
        other, other_text = kept[(at + len(kept) // 2 + step) % len(kept)]
        if keys.isdisjoint(image.key for image in other.target.images):
            mixed = with_sentence_of(text, other_text, chance)
            return Rejected(mixed, "other image") if mixed != text else cut(text)
    return cut(text)


def with_swapped_parts(text: str, image_count: int, naming: Naming, chance: int) -> str | None:
    """What is said of two images, which ``chance`` chooses, is said of the other one of them; None where
    nothing else would be said of any two.

    Where each has one stretch of sentences, these change places and names, so names stay in order; else the
    names alone are exchanged, wherever they stand.
    """
    pairs = list(combinations(range(1, image_count + 1), 2))
    for step in range(len(pairs)):
        first, second = pairs[(chance + step) % len(pairs)]
        found = _with_swapped(text, image_count, naming, first, second)
        if found != text:
            return found
    return None


def _with_swapped(text: str, image_count: int, naming: Naming, first: int, second: int) -> str:
    """The same of two images; ``text`` where all that is said of one is said of both."""
    exchanged = {first: second, second: first}
    stretches: list[tuple[tuple[int, ...], int, int]] = []
    for each in statements(text, image_count, naming):
        if stretches and stretches[-1][0] == each.images:
            stretches[-1] = each.images, stretches[-1][1], each.end
        else:
            stretches.append((each.images, each.start, each.end))
    if all((first in images) == (second in images) for images, *_ in stretches):
        return text
    both = [(start, end) for images, start, end in stretches if images in ((first,), (second,))]
    if len(both) != 2 or len({images for images, *_ in stretches if images in ((first,), (second,))}) != 2:
        return naming.renumbered(text, exchanged)
    (start, end), (other_start, other_end) = both
    one, other = (naming.renumbered(text[a:b], exchanged) for a, b in both)
    return text[:start] + other + text[end:other_start] + one + text[other_end:]


def with_sentence_of(text: str, other: str, chance: int) -> str:
    """``text`` with one of its sentences replaced by one of another caption; itself where that has none."""
    own = statements(text, 1, None)
    foreign = [
        said for each in statements(other, 1, None) if (said := other[each.start : each.end]) not in text
    ]
    if not own or not foreign:
        return text
    replaced = own[chance % len(own)]
    return text[: replaced.start] + foreign[chance // len(own) % len(foreign)] + text[replaced.end :]
