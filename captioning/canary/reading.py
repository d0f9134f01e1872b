"""What a caption says of a drawn scene: which things it names, in their colours, in which image of a set.

Comes in: an English caption, in any model's words; scenes. Goes out: how much of a scene it names. Kindly
read: other names of a thing count ("cabin" for a house). A colour has to stand near the thing, so that a blue
sky is no blue car. Not its job: what is enough (see captions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

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
_ALL_KINDS = frozenset(name for names in _NAMES_OF_KIND.values() for name in names)
_ALL_COLOURS = frozenset(name for colour in COLOURS for name in _COLOURS.get(colour, colour).split("|"))

WORDS_BEFORE, WORDS_BEHIND = 4, 6
"""Words between a thing and its colour or number at most: "a bright red and white sailboat", "a boat with
large red sails"."""

_WORD = re.compile(r"[a-z]+|\d+")
_NAME = re.compile(rf"\b(?:image|picture|photo)s?[- ]?#?(\d)\b|\b({'|'.join(ORDINALS[:3])})\b", re.IGNORECASE)


def named_share(text: str, scene: Scene) -> float:
    """Of the things of ``scene`` those that ``text`` names in their colour, 0 to 1."""
    words = _WORD.findall(text.lower())
    named = [
        any(_colour(thing.colour) & set(near) for near in _near(words, thing.kind)) for thing in scene.things
    ]
    return sum(named) / len(named)


def counts(text: str, kind: str, number: int) -> bool:
    """Whether ``text`` says that there are so many of a kind, or names one so many times."""
    words = _WORD.findall(text.lower())
    near = [set(words) for words in _near(words, kind)]
    numbers = set(_NUMBERS[number].split("|"))
    return len(near) == number or any(numbers & words for words in near)


def part_on(text: str, number: int) -> str:
    """What ``text`` says of image ``number`` of a set: from each of its names to that of another."""
    names = list(_NAME.finditer(text))
    ends = [*(each.start() for each in names[1:]), len(text)]
    return " ".join(
        text[name.end() : end] for name, end in zip(names, ends, strict=False) if _number(name) == number
    )


def _number(name: re.Match[str]) -> int:
    return int(name.group(1)) if name.group(1) else ORDINALS.index(name.group(2).lower()) + 1


def _colour(colour: str) -> set[str]:
    return set(_COLOURS.get(colour, colour).split("|"))


def _near(words: Sequence[str], kind: str) -> Iterator[Sequence[str]]:
    """The words around each place where a ``kind`` is named: those before it up to another thing, and where
    no colour is among them those behind it too."""
    for at, word in enumerate(words):
        if word in _NAMES_OF_KIND[kind]:
            near = _up_to_a_thing(words[max(0, at - WORDS_BEFORE) : at][::-1])
            if not _ALL_COLOURS & set(near):
                near = [*near, *_up_to_a_thing(words[at + 1 : at + 1 + WORDS_BEHIND])]
            yield near


def _up_to_a_thing(words: Sequence[str]) -> Sequence[str]:
    ends = next((at for at, word in enumerate(words) if word in _ALL_KINDS), len(words))
    return words[:ends]
