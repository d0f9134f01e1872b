"""Split a caption into phrases that can be compared with an image.

Comes in: a caption's text, its language code, its number of images, how it names them. Goes out: phrases,
each with its sentence, the rest of the sentence, and the images that it describes. Not its job: comparing
(see score).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from triptych.filtering.caption import units_of
from triptych.filtering.rules.image_references import READERS, named_images
from triptych.prompts import Naming

SHORTEST_SENTENCE_UNITS = 3
"""In words or characters. Shorter sentences say too little to be compared."""
SHORTEST_PHRASE_UNITS = 2
MAX_SENTENCES = 200
"""Of a caption: four times as many as in the longest one that any job allows."""


class _Grammar(NamedTuple):
    """How to split the text of one language."""

    sentence_end: re.Pattern[str]
    between_phrases: re.Pattern[str]
    """With one group around all of it, so that splitting keeps the separators."""
    of_each: re.Pattern[str] | None = None
    """Matches sentences that explicitly describe all images."""
    compares: re.Pattern[str] | None = None
    """Matches comparisons of images, which no single image shows."""


_GRAMMARS: Mapping[str, _Grammar] = {
    "en": _Grammar(
        sentence_end=re.compile(r"(?<=[a-z\"”)])[.!?;]+(?=\s|$)|[\r\n]+", re.IGNORECASE),
        between_phrases=re.compile(r"(,\s*(?:and\s+)?|\s+and\s+|\s+with\s+)"),
        of_each=re.compile(r"\b(?:each|every|all|both)\b", re.IGNORECASE),
        compares=re.compile(
            r"\b(?:most|least|more|less|fewest|fewer|than|unlike|whereas|compared|contrasts?|differs?)\b",
            re.IGNORECASE,
        ),
    ),
    "zh": _Grammar(
        sentence_end=re.compile(r"[。！？；!?;\r\n]+"),
        # 和 means "and", but it is also a part of words such as 柔和 ("soft").
        between_phrases=re.compile(r"([、，]|(?<![柔温暖缓饱平随总共祥谐])和(?![谐平服睦蔼煦解]))"),
        of_each=re.compile(r"[每都均各]"),
        compares=re.compile(r"[最比更]|不同|相同"),
    ),
}
_ANY_GRAMMAR = _Grammar(
    sentence_end=re.compile(r"(?<=[^\W\d_])[.!?;؟۔।]+(?=\s|$)|[。！？；\r\n]+"),
    between_phrases=re.compile(r"([,،、，]\s*)"),
)
"""For all other languages: only punctuation separates phrases."""


class Sentence(NamedTuple):
    """One sentence of a caption."""

    text: str
    images: tuple[int, ...]
    """Indices of the images that it describes."""
    of: Literal["named", "any", "each"]
    """``named``: it describes each of ``images``; ``any``: at least one of them; ``each``: explicitly all."""


class Phrase(NamedTuple):
    """A part of a sentence between two commas or conjunctions."""

    text: str
    sentence: str
    rest: str
    """The sentence without the phrase; empty if the phrase is the whole sentence."""
    images: tuple[int, ...]
    holds_of_each: bool
    """Whether it describes each of ``images``, or at least one of them."""


def phrases_of(text: str, language: str, image_count: int, naming: Naming | None = None) -> list[Phrase]:
    """The phrases that describe particular images; if a set's caption has none, all phrases.

    Sentences of a set's caption that describe all images together or compare them are left out.
    """
    grammar = _GRAMMARS.get(language, _ANY_GRAMMAR)
    sentences = split_sentences(text, language, image_count, naming)
    if image_count > 1:
        own = [s for s in sentences if s.of != "each" and not _has(grammar.compares, s.text)]
        sentences = own or sentences
    return [
        Phrase(phrase, each.text, rest, each.images, holds_of_each=each.of != "any")
        for each in sentences
        for phrase, rest in _split(each.text, grammar.between_phrases)
    ]


def split_sentences(
    text: str, language: str, image_count: int, naming: Naming | None = None
) -> list[Sentence]:
    """The sentences that are long enough to compare. In a caption of a set, a sentence that names no image
    describes the images of the sentence before it, unless it describes each. Before the first name it may
    describe any.
    """
    grammar = _GRAMMARS.get(language, _ANY_GRAMMAR)
    everything = tuple(range(image_count))
    found: list[Sentence] = []
    images = everything
    of: Literal["named", "any"] = "named" if image_count == 1 else "any"
    for part in grammar.sentence_end.split(text, MAX_SENTENCES)[:MAX_SENTENCES]:
        if len(units_of(part)) < SHORTEST_SENTENCE_UNITS:
            continue
        if image_count > 1:
            if named := _images_named(part, language, image_count, naming):
                images, of = named, "named"
            elif _has(grammar.of_each, part):
                found.append(Sentence(part.strip(), everything, "each"))
                continue
        found.append(Sentence(part.strip(), images, of))
    return found


def _images_named(sentence: str, language: str, image_count: int, naming: Naming | None) -> tuple[int, ...]:
    """The indices of the images that ``sentence`` names, in order."""
    if naming is not None:
        numbers = naming.numbers(sentence)
    else:
        numbers = named_images(sentence.lower(), language, image_count) if language in READERS else set()
    return tuple(number - 1 for number in sorted(numbers) if 1 <= number <= image_count)


def _has(pattern: re.Pattern[str] | None, text: str) -> bool:
    return pattern is not None and pattern.search(text) is not None


def _split(sentence: str, between: re.Pattern[str]) -> list[tuple[str, str]]:
    """Each phrase with the rest of the sentence, without the separator between them."""
    parts = between.split(sentence)
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
    """The phrase without a sentence's initial capital, which some text towers read as another word."""
    begins_a_sentence = phrase[:2] == "A " or phrase[1:2].islower()
    return phrase[0].lower() + phrase[1:] if begins_a_sentence else phrase
