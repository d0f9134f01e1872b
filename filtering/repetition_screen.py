"""How much a block's captions say again, where nothing but stretches has to be counted.

Comes in: a block. Goes out: the scores of ``repetition``, and LOOK where a loop or a sentence may come
again. Not its job: what a score is (see repetition).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import LOOK, Block
from triptych.filtering.characters import character_class
from triptych.filtering.repetition import (
    BEGINNING,
    LONGEST_PERIOD,
    MOST_UNITS,
    SHORTEST_SENTENCE,
    alike_scores,
    allowed_beginnings,
    may_repeat_sentences,
    say_something_twice,
)
from triptych.filtering.stretches import captions_with_more, stretch_keys

_ENDS_SENTENCES = character_class(r"[.．!?！？。…;；\r\n]", is_common=True)


def screen_repetition(block: Block) -> NDArray[np.float64]:
    """0 where nothing comes twice, else the score for stretches, where there are no loops and sentences."""
    hashes, captions = block.arrays.hashes, block.captions
    has_any = say_something_twice(hashes, captions, block.language, len(block))
    if not has_any.any():
        return np.zeros(len(block))
    chosen = has_any[captions]
    hashes, captions, begins = hashes[chosen], captions[chosen], _begins_sentence(block)[chosen]
    keys = stretch_keys(hashes, captions, SHORTEST_SENTENCE[block.language])
    look = captions_with_more(keys[begins[: len(keys)]], np.ones(len(block), np.int64))
    for at in np.flatnonzero(look).tolist():
        look[at] = may_repeat_sentences(block.texts[at])
    keys_of_few = stretch_keys(hashes, captions, BEGINNING[block.language])
    look |= captions_with_more(
        keys_of_few[begins[: len(keys_of_few)]], allowed_beginnings(block.image_counts)
    )
    for period in range(1, LONGEST_PERIOD + 1):
        look[captions[: len(keys) - period][keys[period:] == keys[:-period]]] = True
    scores = alike_scores(hashes, captions, block.language, block.image_counts)
    return np.where(look | (block.unit_counts > MOST_UNITS), LOOK, scores)


def _begins_sentence(block: Block) -> NDArray[np.bool_]:
    """Of each unit, whether the end of a sentence stands somewhere between it and the one before."""
    arrays = block.arrays
    begins = np.zeros(len(arrays.starts) + 1, np.bool_)
    ends = np.flatnonzero(arrays.character_classes & _ENDS_SENTENCES != 0)
    begins[np.searchsorted(arrays.starts, ends)] = True
    begins[arrays.offsets] = True
    return begins[:-1]
