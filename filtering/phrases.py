"""A caption taken apart into the phrases that can be compared with an image.

Comes in: a caption's text, its language, how many images it is of. Goes out: phrases, each with its
sentence, with that sentence without it, and with the images that it speaks of. Not its job: comparing
(see grounding).
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from triptych.filtering.references import references
from triptych.filtering.units import units_of
from triptych.records import Language

SHORTEST_SENTENCE_UNITS = 3
"""A sentence of fewer words or characters says too little to be compared."""
SHORTEST_PHRASE_UNITS = 2
MOST_SENTENCES = 200
"""Of a caption; the longest that any job allows has a quarter of that."""

_SENTENCE = {
    "en": re.compile(r"(?<=[a-z\"”)])[.!?;]+(?=\s|$)|[\r\n]+", re.IGNORECASE),
    "zh": re.compile(r"[。！？；!?;\r\n]+"),
}
_BETWEEN_PHRASES = {
    "en": re.compile(r"(,\s*(?:and\s+)?|\s+and\s+|\s+with\s+)"),
    "zh": re.compile(r"([、，]|(?<![柔温暖缓饱平随总共祥谐])和(?![谐平服睦蔼煦解]))"),
}
"""和 joins two things, but in 柔和 ("soft") and its like it is part of a word."""
_OF_EACH = {
    "en": re.compile(r"\b(?:each|every|all|both)\b", re.IGNORECASE),
    "zh": re.compile(r"[每都均各]"),
}
_COMPARES = {
    "en": re.compile(
        r"\b(?:most|least|more|less|fewest|fewer|than|unlike|whereas|compared|contrasts?|differs?)\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(r"[最比更]|不同|相同"),
}
"""Images with each other: no image by itself shows that."""


class Sentence(NamedTuple):
    """One sentence of a caption."""

    text: str
    images: tuple[int, ...]
    """Of which of the caption's images it speaks, from 0."""
    of: Literal["named", "any", "each"]
    """``named``: it holds of each of ``images``; ``any``: of one of them at least; ``each``: of all, and
    it says so."""


class Phrase(NamedTuple):
    """What a caption says in one breath."""

    text: str
    sentence: str
    rest: str
    """The sentence without the phrase; empty where the phrase is the sentence."""
    images: tuple[int, ...]
    of_named: bool
    """Whether it holds of each of ``images``. If not, one that it fits is enough."""


def phrases_of(text: str, language: Language, image_count: int) -> list[Phrase]:
    """The phrases that say something of particular images; of a set where none does, all phrases.

    What a set's opening says of all images together is left to ``contradiction``. What compares images
    with each other can't be seen in one.
    """
    sentences = split_sentences(text, language, image_count)
    told = sentences
    if image_count > 1:
        own = (s for s in sentences if s.of != "each" and not _COMPARES[language].search(s.text))
        told = list(own) or sentences
    return [
        Phrase(phrase, each.text, rest, each.images, of_named=each.of != "any")
        for each in told
        for phrase, rest in _split(each.text, language)
    ]


def split_sentences(
    text: str, language: Language, image_count: int, most: int = MOST_SENTENCES
) -> list[Sentence]:
    """The sentences that can be compared. In a caption of a set, one without a number goes on about the
    images of the one before it, unless it speaks of each; before any number it may be of any.
    """
    everything = tuple(range(image_count))
    found: list[Sentence] = []
    images = everything
    of: Literal["named", "any"] = "named" if image_count == 1 else "any"
    for part in _SENTENCE[language].split(text, most)[:most]:
        units = units_of(part)
        if len(units) < SHORTEST_SENTENCE_UNITS:
            continue
        if image_count > 1:
            named = references(part, frozenset(units), language, image_count).named
            inside = tuple(sorted(number - 1 for number in named if 1 <= number <= image_count))
            if inside:
                images, of = inside, "named"
            elif _OF_EACH[language].search(part):
                found.append(Sentence(part.strip(), everything, "each"))
                continue
        found.append(Sentence(part.strip(), images, of))
    return found


def _split(sentence: str, language: Language) -> list[tuple[str, str]]:
    """Each phrase with the sentence without it and without what joins it to the next."""
    parts = _BETWEEN_PHRASES[language].split(sentence)
    if len(parts) < 3:
        return [(sentence, "")]
    return [
        (
            _within_a_sentence(parts[at].strip()),
            "".join(parts[:at] + parts[at + 2 :] if at + 1 < len(parts) else parts[: at - 1]),
        )
        for at in range(0, len(parts), 2)
        if len(units_of(parts[at])) >= SHORTEST_PHRASE_UNITS
    ] or [(sentence, "")]


def _within_a_sentence(phrase: str) -> str:
    """ "A red kite" as it stands within a sentence: some text towers read a capital as another word."""
    begins_a_sentence = phrase[:2] == "A " or phrase[1:2].islower()
    return phrase[0].lower() + phrase[1:] if begins_a_sentence else phrase
