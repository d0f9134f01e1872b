"""Removes the repetitions that gateways add to a streamed text.

Comes in: the pieces of a streamed text. Goes out: the text, once. A gateway may send the whole message after
its pieces, send all pieces twice, or repeat in each piece all text so far. Not its job: what a model itself
repeats (see filtering).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from triptych.captioning.thinking import without_thinking

MIN_REPEATED_CHARS = 16
"""A text of this length that comes again as a whole is a repetition, not a coincidence."""


def without_repeated_text(pieces: Sequence[str]) -> str:
    """Join ``pieces``, without those that repeat all the text before them.

    >>> pieces = ["A red kite ", "over a field."]
    >>> without_repeated_text([*pieces, "A red kite over a field.", "A red kite over a field."])
    'A red kite over a field.'
    >>> without_repeated_text([*pieces, *pieces])
    'A red kite over a field.'
    """
    trimmed = _without_blank_ends(pieces)
    middle = len(trimmed) // 2
    half = "".join(trimmed[:middle])
    last = "".join(trimmed[-1:])
    if _is_long(last):
        before = "".join(_before_last(trimmed))
        is_whole = last.strip() in (before.strip(), without_thinking(before).strip())
        if not before or is_whole or _grows(trimmed):
            return last
    is_sent_twice = trimmed[:middle] == trimmed[middle:]
    return half if is_sent_twice and _is_long(half) else "".join(pieces)


def _without_blank_ends(pieces: Sequence[str]) -> list[str]:
    with_text = [number for number, piece in enumerate(pieces) if piece.strip()]
    return list(pieces[with_text[0] : with_text[-1] + 1]) if with_text else []


def _before_last(pieces: Sequence[str]) -> list[str]:
    """The pieces before the last one and its copies."""
    rest = list(pieces)
    while rest and rest[-1].strip() == pieces[-1].strip():
        rest.pop()
    return rest


def _grows(pieces: Sequence[str]) -> bool:
    """Whether each piece repeats all text so far."""
    pairs = list(itertools.pairwise(pieces))
    longer = sum(len(piece) > len(before) for before, piece in pairs)
    return longer > 1 and all(piece.startswith(before) for before, piece in pairs)


def _is_long(text: str) -> bool:
    return len(text.strip()) >= MIN_REPEATED_CHARS
