"""Rules: whether a caption is all there. Cut off, too short, too long.

Comes in: a candidate. Goes out: scores. Not its job: the bounds (see config).
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.block import Block, look_where
from triptych.filtering.candidate import Candidate
from triptych.filtering.vocabulary import WordValues

FINISHED = frozenset({"", "stop", "eos", "eos_token", "end_turn", "stop_sequence"})
"""Finish reasons of a model that ended by itself, in the words of several servers; others mean a cut."""

_SENTENCE_ENDS = frozenset(".!?。！？．｡")
"""Of both scripts, so that a caption in the wrong language isn't taken for a cut one. An ellipsis is
not among them: a description that trails off has stopped mid-sentence."""

_MAY_FOLLOW_THE_END = frozenset({"Pe", "Pf", "Pi", "So", "Sk", "Mn", "Cf", "Cc", "Zs", "Zl", "Zp"})
"""Unicode categories: closing brackets, quotation marks, emoji and what modifies them, white space."""

_DANGLING = frozenset(
    ("a", "an", "the", "and", "or", "of", "with", "into", "onto", "beside", "while", "which", "their", "its")
)
"""No sentence ends in one of these: a point behind it only closes what was cut ("beside a.")."""
_DANGLING_VALUES = WordValues(dict.fromkeys(_DANGLING, 1))

_CLOSE_QUOTES = frozenset('"”」』')
_INSCRIBED = re.compile(
    r"(?:\b(?:reads?|reading|says?|saying|words?|written|inscription|inscribed|slogan|titled|labell?ed|lettering|text)\b"
    '|写着|写有|刻着|刻有|印着|印有|标着|字样|大字|标语|题为)[^.!?。！？"“”「」『』]{0,20}["“「『]'
    '[^"“”「」『』]{1,80}["”」』]\\Z'
)
"""What a sign says may end a caption, without a point behind the quotation mark."""
_INSCRIBED_WITHIN = 120
"""Characters."""


def truncation(candidate: Candidate) -> float:
    """1 where the token limit cut the caption, or it ends without the end of a sentence; else 0."""
    if candidate.finish_reason not in FINISHED:
        return 1.0
    text = candidate.text.rstrip()
    if text and text[-1] in _SENTENCE_ENDS and not text.endswith(".."):
        return float(text[:-1].rpartition(" ")[2] in _DANGLING)
    at = len(text)
    while at > 0 and (text[at - 1] in "\"'*_" or unicodedata.category(text[at - 1]) in _MAY_FOLLOW_THE_END):
        at -= 1
    if at == 0 or (text[-1] in _CLOSE_QUOTES and _INSCRIBED.search(text, max(0, at - _INSCRIBED_WITHIN))):
        return 0.0
    trails_off = text[:at].endswith("..") and at == len(text)
    return float(trails_off or text[at - 1] not in _SENTENCE_ENDS)


def screen_truncation(block: Block) -> NDArray[np.float64]:
    """0 for what ended by itself, on a word that may end a sentence, and one point."""
    arrays = block.arrays
    ends = np.maximum(arrays.begins[1:] - 2, 1 - len(arrays.codes))
    last, before = arrays.codes[ends], arrays.codes[ends - 1]
    is_whole = ((last == ord(".")) & (before != ord("."))) | (last == ord("。"))
    is_whole &= block.unit_counts > 0
    last_units = arrays.offsets[1:][is_whole] - 1
    is_whole[is_whole] = _DANGLING_VALUES.values(arrays.hashes[last_units]) == 0
    is_whole &= np.fromiter((reason in FINISHED for reason in block.finish_reasons), np.bool_, len(block))
    return look_where(~is_whole)


def length(candidate: Candidate) -> float:
    """The length, in words and Han characters."""
    return float(candidate.unit_count)


def screen_length(block: Block) -> NDArray[np.float64]:
    """The score."""
    return block.unit_counts.astype(np.float64)
