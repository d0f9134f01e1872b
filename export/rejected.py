"""Finds or makes a worse caption for each kept one, as ``rejected`` in rows for preference training.

Comes in: kept captions, what the model wrote, how captions of sets name their images. Goes out: for each the
model's text before a person or a repair changed it; without one, the kept caption with the parts of two
images swapped, with a sentence of another image, or cut in half. Not its job: the fields around them (see
formats.preference).
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
    """The worse caption for ``kept[at]``. ``kept`` has the kept captions of a shard with their texts. The
    result depends on these alone, so the same run gives the same pairs."""
    planned, text = kept[at]
    verdict, caption, count = planned.verdict, planned.caption, len(planned.target.images)
    if verdict is not None and verdict.text and caption is not None and caption.text != text:
        return Rejected(caption.text, "check" if verdict.removed else "people")
    chance = hash64(f"{planned.target.id} rejected")
    if count > 1 and naming is not None:
        swapped = with_swapped_parts(text, count, naming, chance)
        return Rejected(swapped, "swapped") if swapped is not None else cut(text)
    keys = {image.key for image in planned.target.images}
    for step in range(len(kept)):  # begins half a shard away, as images next to each other may look the same
        other, other_text = kept[(at + len(kept) // 2 + step) % len(kept)]
        if keys.isdisjoint(image.key for image in other.target.images):
            mixed = with_sentence_of(text, other_text, chance)
            return Rejected(mixed, "other image") if mixed != text else cut(text)
    return cut(text)


def with_swapped_parts(text: str, image_count: int, naming: Naming, chance: int) -> str | None:
    """``text`` with the descriptions of two images exchanged, chosen by ``chance``; None where no exchange
    would change it.

    Where each image has one stretch of sentences, these change places and names, so that names stay in order;
    otherwise the names alone are exchanged.
    """
    pairs = list(combinations(range(1, image_count + 1), 2))
    for step in range(len(pairs)):
        first, second = pairs[(chance + step) % len(pairs)]
        found = _with_swapped(text, image_count, naming, first, second)
        if found != text:
            return found
    return None


def _with_swapped(text: str, image_count: int, naming: Naming, first: int, second: int) -> str:
    """``text`` with two given images exchanged; unchanged where every statement is about both or neither."""
    exchanged = {first: second, second: first}
    stretches: list[tuple[tuple[int, ...], int, int]] = []
    for each in statements(text, image_count, naming):
        if stretches and stretches[-1][0] == each.images:
            stretches[-1] = each.images, stretches[-1][1], each.end
        else:
            stretches.append((each.images, each.start, each.end))
    if all((first in images) == (second in images) for images, *_ in stretches):
        return text
    both = [each for each in stretches if each[0] in ((first,), (second,))]
    if len(both) != 2 or both[0][0] == both[1][0]:
        return naming.renumbered(text, exchanged)
    (_, start, end), (_, other_start, other_end) = both
    one, other = (naming.renumbered(text[a:b], exchanged) for _, a, b in both)
    return text[:start] + other + text[end:other_start] + one + text[other_end:]


def with_sentence_of(text: str, other: str, chance: int) -> str:
    """``text`` with a sentence replaced by one of ``other``; unchanged where that has no further ones."""
    own = statements(text, 1, None)
    sentences = (other[each.start : each.end] for each in statements(other, 1, None))
    foreign = [sentence for sentence in sentences if sentence not in text]
    if not own or not foreign:
        return text
    replaced = own[chance % len(own)]
    return text[: replaced.start] + foreign[chance // len(own) % len(foreign)] + text[replaced.end :]
