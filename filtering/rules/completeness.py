"""Rules: captions that stop before their end, and ones that are too short or too long.

Comes in: a caption and why its model stopped. Goes out: 1 or 0; its length in the units of its script (see
caption). Not its job: what it says.
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


# A sixth of the seed's mean of 95 words, or 150 characters; for a set, a dozen words for each of two images, the
# smallest set. Shorter is a label, not a description; true demo captions have 24 and more.
_SHORTEST: _Lengths = {"en": {"image": 15, "set": 25}, "zh": {"image": 22, "set": 38}}
# Nearly four times the seed's mean; for a set, three times. Longer is speculation or a loop: in two held-out sets,
# what was too long had 788 words or 981 characters and more, good captions of sets up to 267 and 371.
_LONGEST: _Lengths = {"en": {"image": 350, "set": 700}, "zh": {"image": 550, "set": 900}}


def length(caption: CaptionText) -> float:
    """In words, and in characters of scripts without spaces."""
    return float(len(caption.unit_sequence))


def shortest(subject: Subject, language: Language) -> float:
    """That of the language, where it has one of its own, else as long as in English."""
    return _own_or_derived(_SHORTEST, subject, language)


def longest(subject: Subject, language: Language) -> float:
    """The same of the other end."""
    return _own_or_derived(_LONGEST, subject, language)


def _own_or_derived(lengths: _Lengths, subject: Subject, language: Language) -> float:
    if own := lengths.get(language.code):
        return float(own[subject])
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
