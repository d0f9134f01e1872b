"""Rules: captions that are too short or too long.

Comes in: a caption. Goes out: its length in the units of its script (see caption). Not its job: captions that
stop in mid-sentence (see truncation).
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.filtering.caption import CaptionText
from triptych.filtering.rule import Rule
from triptych.jobs import Subject
from triptych.languages import Language

_SHORTEST: Mapping[str, Mapping[Subject, int]] = {
    # A sixth of the seed's mean of 95 words; for a set, a dozen words for each of two images, the smallest
    # set. Shorter is a label, not a description; true demo captions have 24 and more.
    "en": {"image": 15, "set": 25},
    # The same at 1.5 characters a word (the seed's 150 to 95).
    "zh": {"image": 22, "set": 38},
}
_LONGEST: Mapping[str, Mapping[Subject, int]] = {
    # Nearly four times the seed's mean; for a set, three times. Longer is speculation or a loop. In two
    # held-out sets, what was too long had 788 words and more, and good captions of sets up to 267.
    "en": {"image": 350, "set": 700},
    # What was too long had 981 characters and more, good captions of sets up to 371.
    "zh": {"image": 550, "set": 900},
}


def length(caption: CaptionText) -> float:
    """In words, and in characters of scripts without spaces."""
    return float(len(caption.units))


def shortest(subject: Subject, language: Language) -> float:
    """That of the language, where it has one of its own, else as long as in English."""
    return _own_or_derived(_SHORTEST, subject, language)


def longest(subject: Subject, language: Language) -> float:
    """The same of the other end."""
    return _own_or_derived(_LONGEST, subject, language)


def _own_or_derived(
    table: Mapping[str, Mapping[Subject, int]], subject: Subject, language: Language
) -> float:
    own = table.get(language.code)
    if own is not None:
        return float(own[subject])
    return float(round(table["en"][subject] * language.units_per_english_word))


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
