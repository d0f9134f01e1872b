"""The text of a stream, said once though a gateway sends it more often.

Comes in: the pieces in which a text came. Goes out: the text. A gateway may send the whole message behind its
pieces, all pieces again, or in each piece all so far. Not its job: what a model repeats by itself (see
filtering).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from triptych.captioning.thinking import without_thinking

MIN_REPEATED = 16
"""Letters: a text as long that comes again whole is a repetition, not a coincidence."""


def said_once(pieces: Sequence[str]) -> str:
    """The text of ``pieces``, without what says again all that came before it.

    >>> said_once(["A red kite", " over a field.", "A red kite over a field.", "A red kite over a field."])
    'A red kite over a field.'
    >>> said_once(["A red kite ", "over a field.", "A red kite ", "over a field."])
    'A red kite over a field.'
    """
    said = _without_blank_ends(pieces)
    half = "".join(said[: len(said) // 2])
    last = "".join(said[-1:])
    if _is_long(last):
        before = "".join(_without_last(said))
        if not before or last.strip() in (before.strip(), without_thinking(before).strip()) or _grows(said):
            return last
    is_twice = said[: len(said) // 2] == said[len(said) // 2 :]
    return half if is_twice and _is_long(half) else "".join(pieces)


def _without_blank_ends(pieces: Sequence[str]) -> list[str]:
    told = [number for number, piece in enumerate(pieces) if piece.strip()]
    return list(pieces[told[0] : told[-1] + 1]) if told else []


def _without_last(pieces: Sequence[str]) -> list[str]:
    """Those before the last, and before others that are the same."""
    rest = list(pieces)
    while rest and rest[-1].strip() == pieces[-1].strip():
        rest.pop()
    return rest


def _grows(pieces: Sequence[str]) -> bool:
    """Whether each says all so far."""
    pairs = list(itertools.pairwise(pieces))
    longer = sum(len(piece) > len(before) for before, piece in pairs)
    return longer > 1 and all(piece.startswith(before) for before, piece in pairs)


def _is_long(text: str) -> bool:
    return len(text.strip()) >= MIN_REPEATED
