"""Reads which things of a drawn scene a caption names, in their colours, and in which image of a set.

Comes in: an English caption of any model; scenes. Goes out: the share of a scene that it names. Synonyms
count ("cabin" for a house). A colour has to be near the thing, so that a blue sky isn't a blue car. Not its
job: what is enough (see captions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import takewhile

from triptych.demo.scene import COLOURS, Scene
from triptych.languages import ORDINALS

_KINDS = {
    "sailboat": "sail|sails|sailboat|sailboats|sailing|yacht|boat|boats",
    "ship": "ship|ships|steamship|steamboat|steamer|boat|boats|tugboat|vessel|ferry",
    "lighthouse": "lighthouse|lighthouses|tower",
    "whale": "whale|whales",
    "balloon": "balloon|balloons",
    "car": "car|cars|vehicle|sedan|taxi",
    "bus": "bus|buses|van|vehicle",
    "house": "house|houses|home|cabin|cottage|hut|building",
    "umbrella": "umbrella|umbrellas|parasol",
    "flag": "flag|flags|banner|pennant",
    "flower": "flower|flowers|tulip|tulips|daisy|daisies|blossom|blossoms",
    "mushroom": "mushroom|mushrooms|toadstool|toadstools",
    "tent": "tent|tents",
    "kite": "kite|kites",
    "sled": "sled|sleds|sleigh|sledge|toboggan",
    "gift": "gift|gifts|present|presents|box|boxes|parcel",
    "rocket": "rocket|rockets|spaceship|spacecraft",
    "lantern": "lantern|lanterns|lamp|lamps|light",
    "bucket": "bucket|buckets|pail",
    "crab": "crab|crabs",
}
_COLOURS = {"purple": "purple|violet", "pink": "pink|magenta", "yellow": "yellow|golden"}
_NUMBERS = {2: "two|2", 3: "three|3", 4: "four|4", 5: "five|5"}

_NAMES_OF_KIND = {kind: frozenset(names.split("|")) for kind, names in _KINDS.items()}
_ALL_KINDS = frozenset().union(*_NAMES_OF_KIND.values())
_NAMES_OF_COLOUR = {colour: frozenset(_COLOURS.get(colour, colour).split("|")) for colour in COLOURS}
_ALL_COLOURS = frozenset().union(*_NAMES_OF_COLOUR.values())

WORDS_BEFORE, WORDS_AFTER = 4, 6
"""Where the colour or number of a thing may be: "a bright red and white sailboat", "a boat with large red
sails"."""

_WORD = re.compile(r"[a-z]+|\d+")
_NAME = re.compile(rf"\b(?:image|picture|photo)s?[- ]?#?(\d)\b|\b({'|'.join(ORDINALS[:3])})\b", re.IGNORECASE)


def named_share(text: str, scene: Scene) -> float:
    """The share of things of ``scene`` that ``text`` names in their colours, 0 to 1."""
    words = _WORD.findall(text.lower())
    named = [
        any(_NAMES_OF_COLOUR[thing.colour] & set(near) for near in _near(words, thing.kind))
        for thing in scene.things
    ]
    return sum(named) / len(named)


def counts(text: str, kind: str, number: int) -> bool:
    """Whether ``text`` gives the ``number`` of things of a kind, or names the kind that many times."""
    words = _WORD.findall(text.lower())
    near = [set(words) for words in _near(words, kind)]
    numbers = set(_NUMBERS[number].split("|"))
    return len(near) == number or any(numbers & words for words in near)


def part_on(text: str, number: int) -> str:
    """The parts of ``text`` on image ``number`` of a set: from each mention of it to the next image's."""
    names = list(_NAME.finditer(text))
    ends = [*(each.start() for each in names[1:]), len(text)]
    return " ".join(
        text[name.end() : end] for name, end in zip(names, ends, strict=False) if _number(name) == number
    )


def _number(name: re.Match[str]) -> int:
    return int(name.group(1)) if name.group(1) else ORDINALS.index(name.group(2).lower()) + 1


def _near(words: Sequence[str], kind: str) -> Iterator[Sequence[str]]:
    """The words around each mention of a ``kind``: those before it, back to another thing; if they have no
    colour, those after it too."""
    for at, word in enumerate(words):
        if word in _NAMES_OF_KIND[kind]:
            near = [*takewhile(_is_no_thing, reversed(words[max(0, at - WORDS_BEFORE) : at]))]
            if not _ALL_COLOURS & set(near):
                near += takewhile(_is_no_thing, words[at + 1 : at + 1 + WORDS_AFTER])
            yield near


def _is_no_thing(word: str) -> bool:
    return word not in _ALL_KINDS
