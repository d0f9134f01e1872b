"""Rules: captions that are cut off, too short or too long.

Comes in: a caption with its finish reason. Goes out: 1 if it is cut off, else 0; its length in the units of
its script (see caption). Not its job: what it says.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from triptych.filtering.caption import CaptionText, is_inscribed
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import Language

_Lengths = Mapping[str, Mapping[Subject, int]]

FINISHED = frozenset({"", "stop", "eos", "eos_token", "end_turn", "stop_sequence"})
"""Finish reasons of several servers for a complete answer. All others mean that it was cut off."""

_SENTENCE_ENDS = frozenset(".!?。！？．｡؟۔।॥։።။།។৷")
"""Of all scripts, so that a caption in the wrong language doesn't count as cut off. An ellipsis is not
included, since a description that trails off is incomplete."""

_WITHOUT_FULL_STOP = frozenset({"THAI", "LAO"})
"""Scripts that don't mark the end of a sentence."""

_MAY_FOLLOW_THE_END = frozenset({"Pe", "Pf", "Pi", "So", "Sk", "Mn", "Cf", "Cc", "Zs", "Zl", "Zp"})
"""Unicode categories: closing brackets, quotation marks, emoji and their modifiers, white space."""

_DANGLING = frozenset("a an the and or of with into onto beside while which their its".split())
"""No English sentence ends in one of these. A full stop after it only hides the cut ("beside a.")."""

_CLOSE_QUOTES = frozenset('"”“»」』')
_QUOTED_END = re.compile(r'["“„«「『][^"“”„«»「」『』]{1,80}["”“»」』]\Z')


def truncation(caption: CaptionText) -> float:
    """1 if the token limit cut the caption, or it doesn't end with a complete sentence; else 0."""
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
    """Whether it ends with the quoted text of a sign, which needs no full stop after it."""
    quoted = _QUOTED_END.search(text, max(0, len(text) - 100))
    return quoted is not None and is_inscribed(text, quoted.start())


TRUNCATED = Rule(
    name="truncated",
    measure=truncation,
    threshold=0.0,
    likely_cause="captioning.max_tokens_single or max_tokens_multi is too small, or stop words cut captions",
)


# A sixth of the seed's mean of 95 words or 150 characters; for the smallest set, a dozen words for each of
# its two images. Anything shorter is a label, not a description. Demo captions have at least 24 words.
_SHORTEST: _Lengths = {"en": {"image": 15, "set": 25}, "zh": {"image": 22, "set": 38}}
# Nearly four times the seed's mean; for a set, three times. Longer texts are speculation or a loop: in two
# held-out sets, those that were too long had at least 788 words or 981 characters, good captions of sets at
# most 267 or 371.
_LONGEST: _Lengths = {"en": {"image": 350, "set": 700}, "zh": {"image": 550, "set": 900}}


def length(caption: CaptionText) -> float:
    """In words, or in characters of scripts without spaces."""
    return float(len(caption.unit_sequence))


def shortest(subject: Subject, language: Language) -> float:
    """The limit of the language, or one that is derived from English."""
    return _limit(_SHORTEST, subject, language)


def longest(subject: Subject, language: Language) -> float:
    """Like ``shortest``, for the upper limit."""
    return _limit(_LONGEST, subject, language)


def _limit(lengths: _Lengths, subject: Subject, language: Language) -> float:
    if language.code in lengths:
        return float(lengths[language.code][subject])
    return float(round(lengths["en"][subject] * language.units_per_english_word))


TOO_SHORT = Rule(
    name="too_short",
    measure=length,
    threshold=shortest,
    violated="below",
    likely_cause="a prompt that asks for less, a weak model, or a threshold made for longer captions",
)
TOO_LONG = Rule(
    name="too_long",
    measure=length,
    threshold=longest,
    likely_cause="a prompt that asks for more, or a threshold made for shorter captions",
)
