"""Rule: captions that stop before their end.

Comes in: a caption and why its model stopped. Goes out: 1 or 0. Not its job: captions that are whole and too
short (see length).
"""

from __future__ import annotations

import re
import unicodedata

from triptych.filtering.caption import CaptionText, is_inscribed
from triptych.filtering.rule import Rule

FINISHED = frozenset({"", "stop", "eos", "eos_token", "end_turn", "stop_sequence"})
"""Finish reasons of a model that ended by itself, in the words of several servers; others mean a cut."""

_SENTENCE_ENDS = frozenset(".!?。！？．｡؟۔।॥։።။།។৷")
"""Of all scripts, so that a caption in the wrong language isn't taken for a cut one. An ellipsis is not among
them: a description that trails off has stopped in mid-sentence."""

_WITHOUT_FULL_STOP = frozenset({"THAI", "LAO"})
"""Scripts that put nothing behind a sentence."""

_MAY_FOLLOW_THE_END = frozenset({"Pe", "Pf", "Pi", "So", "Sk", "Mn", "Cf", "Cc", "Zs", "Zl", "Zp"})
"""Unicode categories: closing brackets, quotation marks, emoji and what modifies them, white space."""

_DANGLING = frozenset("a an the and or of with into onto beside while which their its".split())
"""No English sentence ends in one of these: a point behind it only closes what was cut ("beside a.")."""

_CLOSE_QUOTES = frozenset('"”“»」』')
_QUOTED = re.compile(r'["“„«「『][^"“”„«»「」『』]{1,80}["”“»」』]\Z')


def truncation(caption: CaptionText) -> float:
    """1 where the token limit cut the caption, or it ends without the end of a sentence; else 0."""
    if caption.finish_reason not in FINISHED:
        return 1.0
    text = caption.text.rstrip()
    if text and text[-1] in _SENTENCE_ENDS and not text.endswith(".."):
        return float(caption.language.code == "en" and text[:-1].rpartition(" ")[2] in _DANGLING)
    at = len(text)
    while at > 0 and (text[at - 1] in "\"'*_" or unicodedata.category(text[at - 1]) in _MAY_FOLLOW_THE_END):
        at -= 1
    if at == 0 or (text[-1] in _CLOSE_QUOTES and _ends_in_inscription(text)):
        return 0.0
    if not _WITHOUT_FULL_STOP.isdisjoint(caption.language.scripts):
        return float(text[-1] in ",;:-(")
    trails_off = text[:at].endswith("..") and at == len(text)
    return float(trails_off or text[at - 1] not in _SENTENCE_ENDS)


def _ends_in_inscription(text: str) -> bool:
    """What a sign says may end a caption, without a point behind the quotation mark."""
    quoted = _QUOTED.search(text, max(0, len(text) - 100))
    return quoted is not None and is_inscribed(text, quoted.start())


TRUNCATED = Rule(
    name="truncated",
    measure=truncation,
    threshold=0.0,
    likely_cause="captioning.max_tokens_single or max_tokens_multi is too small, or stop words cut in",
)
