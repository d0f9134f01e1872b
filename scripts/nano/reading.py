"""Parses captions of drawn scenes, to compare what a model wrote with what the scenes contain.

Comes in: caption text, possibly imperfect, and the scenes. Goes out: which things it names in which image,
and which of its statements are untrue. A statement about an image is untrue if it has a wrong theme, number
of things, thing or place; a statement that compares images, if the comparison is wrong. Nothing here raises:
text that can't be parsed states nothing. Not its job: splitting captions into statements (see
prompts.statements).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scripts.nano.vocabulary import (
    COLOURS_ZH,
    KINDS_EN,
    KINDS_ZH,
    NUMBERS_EN,
    NUMBERS_ZH,
    PLACES_EN,
    PLACES_ZH,
    THEMES_EN,
    THEMES_ZH,
)
from triptych.demo.scene import COLOURS, KINDS, THEMES, Scene
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts
from triptych.prompts.statements import Statement, statements

ColourAndKind = tuple[str, str]
"""(colour, kind) of a thing."""


class Words(NamedTuple):
    """A language's words with their meaning, and patterns that match them."""

    colours: Mapping[str, str]
    kinds: Mapping[str, str]
    themes: Mapping[str, str]
    places: Mapping[str, str]
    numbers: Mapping[str, int]
    thing: re.Pattern[str]
    """Matches a colour and a kind."""
    theme: re.Pattern[str]
    place: re.Pattern[str]
    count: re.Pattern[str]
    """Matches a number of things."""


def _any_of(words: Mapping[str, object]) -> str:
    """A pattern group for any of ``words``, the longest first."""
    return "(" + "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)) + ")"


def _english() -> Words:
    colours = {colour: colour for colour in COLOURS}
    kinds = {kind: kind for kind in KINDS} | {name: kind for kind, name in KINDS_EN.items()}
    themes = {t: t for t in THEMES} | {phrases.closing.lower(): t for t, phrases in THEMES_EN.items()}
    places = {words: place for place, words in PLACES_EN.items()}
    numbers = {word: number for number, word in NUMBERS_EN.items()}
    size = r"(?:(?:big|large|little|small)\s+)?"
    thing = rf"\b{_any_of(colours)}[\s-]+{size}{_any_of(kinds)}s?\b"
    count = rf"\b{_any_of(numbers)}\s+things\b|most things,?\s+(?:with\s+)?{_any_of(numbers)}"
    theme = rf"\b{_any_of(themes)}"
    patterns = map(re.compile, (thing, theme, _any_of(places), count))
    return Words(colours, kinds, themes, places, numbers, *patterns)


def _chinese() -> Words:
    colours = {name: colour for colour, name in COLOURS_ZH.items()} | {"粉红色": "pink", "橘色": "orange"}
    kinds = {noun: kind for kind, (_, noun) in KINDS_ZH.items()}
    themes = {"港口": "harbour", "街道": "street", "草地": "meadow", "雪地": "snowfield", "夜": "night"}
    themes |= {"海滩": "beach"} | {phrases.closing: t for t, phrases in THEMES_ZH.items()}
    places = {words: place for place, words in PLACES_ZH.items()}
    numbers = {word: number for number, word in NUMBERS_ZH.items()}
    thing = rf"{_any_of(colours)}的?\s*{_any_of(kinds)}"
    count = rf"{_any_of(numbers)}样|最多，各?有{_any_of(numbers)}"
    patterns = map(re.compile, (thing, _any_of(themes), _any_of(places), count))
    return Words(colours, kinds, themes, places, numbers, *patterns)


_WORDS = {"en": _english(), "zh": _chinese()}

_PROMPTS = load_prompts(SEED_JOBS)

_MOST_THINGS = {"en": "most things", "zh": "最多"}
_DIFFERENT_PLACES = {"en": "different places", "zh": "地点不同"}


def read_things(text: str, language: str) -> list[ColourAndKind]:
    """Every (colour, kind) that ``text`` names, in order, with repeats."""
    words = _WORDS[language]
    return [(words.colours[c], words.kinds[k]) for c, k in words.thing.findall(text.lower())]


def theme_of(text: str, language: str) -> str | None:
    """The first theme that ``text`` names or paraphrases, or None."""
    words = _WORDS[language]
    found = words.theme.search(text.lower())
    return words.themes[found[1]] if found else None


def caption_statements(caption: str, language: str, image_count: int) -> list[Statement]:
    """The statements of a caption, each with its image numbers."""
    kind = "multi" if image_count > 1 else "single"
    return statements(caption, image_count, _PROMPTS[f"{kind}_{language}"].naming)


def read_images(caption: str, language: str, image_count: int) -> list[list[ColourAndKind]]:
    """The things that ``caption`` names in each image; statements about several images are ignored."""
    images: list[list[ColourAndKind]] = [[] for _ in range(image_count)]
    for each in caption_statements(caption, language, image_count):
        if len(each.images) == 1:
            images[each.images[0] - 1] += read_things(caption[each.start : each.end], language)
    return images


def untrue_statements(caption: str, language: str, scenes: Sequence[Scene]) -> list[Statement]:
    """The untrue statements of a caption."""
    return [
        each
        for each in caption_statements(caption, language, len(scenes))
        if not holds(caption[each.start : each.end], language, scenes, each.images)
    ]


def holds(text: str, language: str, scenes: Sequence[Scene], images: Sequence[int]) -> bool:
    """Whether ``text`` is true of each of ``images``, numbers from 1 into ``scenes``."""
    lowered = text.lower()
    if _DIFFERENT_PLACES[language] in lowered and len({scene.theme for scene in scenes}) == 1:
        return False
    subjects = [scenes[number - 1] for number in images]
    most = max(len(scene.things) for scene in scenes)
    if _MOST_THINGS[language] in lowered and any(len(scene.things) < most for scene in subjects):
        return False
    return all(_holds_of(lowered, language, scene) for scene in subjects)


def _holds_of(text: str, language: str, scene: Scene) -> bool:
    words = _WORDS[language]
    if theme_of(text, language) not in (None, scene.theme):
        return False
    counts = {words.numbers[next(filter(None, found.groups()))] for found in words.count.finditer(text)}
    if counts - {len(scene.things)}:
        return False
    named = read_things(text, language)
    if set(named) - {(thing.colour, thing.kind) for thing in scene.things}:
        return False
    places = [words.places[found[1]] for found in words.place.finditer(text)]
    if len(places) != len(named):  # places can't be matched to things
        return True
    return set(zip(named, places, strict=True)) <= {((t.colour, t.kind), t.place) for t in scene.things}
