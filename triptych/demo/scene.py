"""The content of demo scenes: a theme and two to five coloured things, left to right.

Comes in: a split name and an index. Goes out: a ``Scene``, always the same for the same input. Not its job:
how a scene looks (see painting) and how it is described (see wording in scripts/nano).

The two splits share no content. Whether a scene is "unseen" is decided by a stable hash of its content (theme
and the ordered kinds and colours), so a model trained on "train" has never seen a combination of "unseen".
"""

from __future__ import annotations

from hashlib import blake2b
from random import Random
from typing import Literal, get_args

import msgspec

Split = Literal["train", "unseen"]

UNSEEN_ONE_IN = 10
"""One content in this many belongs to the "unseen" split."""

PLACES: dict[int, tuple[str, ...]] = {
    2: ("left", "right"),
    3: ("left", "middle", "right"),
    4: ("left", "left of the middle", "right of the middle", "right"),
    5: ("left", "left of the middle", "middle", "right of the middle", "right"),
}
"""Where things stand, by how many there are."""

_COUNTS = (2, 2, 2, 3, 3, 3, 3, 4, 4, 5)
"""The distribution of the number of things: small scenes are more frequent."""


class ThemeContents(msgspec.Struct, frozen=True):
    """What may appear in a theme: kinds that belong there, colours that stand out."""

    kinds: tuple[str, ...]
    colours: tuple[str, ...]


THEMES: dict[str, ThemeContents] = {
    "harbour": ThemeContents(
        ("sailboat", "ship", "lighthouse", "whale", "balloon"),
        ("red", "orange", "yellow", "green", "purple", "pink", "white"),
    ),
    "street": ThemeContents(
        ("car", "bus", "house", "umbrella", "flag"),
        ("red", "orange", "yellow", "green", "blue", "purple", "pink"),
    ),
    "meadow": ThemeContents(
        ("flower", "mushroom", "tent", "kite", "balloon"),
        ("red", "orange", "yellow", "blue", "purple", "pink", "white"),
    ),
    "snowfield": ThemeContents(
        ("sled", "gift", "house", "tent", "flag"),
        ("red", "orange", "yellow", "green", "blue", "purple", "pink"),
    ),
    "night": ThemeContents(
        ("rocket", "lantern", "house", "tent", "balloon"),
        ("red", "orange", "yellow", "green", "pink", "white"),
    ),
    "beach": ThemeContents(
        ("sailboat", "umbrella", "bucket", "crab", "kite"),
        ("red", "orange", "green", "purple", "pink", "white"),
    ),
}

COLOURS: tuple[str, ...] = tuple(dict.fromkeys(c for t in THEMES.values() for c in t.colours))
KINDS: tuple[str, ...] = tuple(dict.fromkeys(k for t in THEMES.values() for k in t.kinds))

_Item = tuple[str, str]
"""A (kind, colour) pair."""


class Thing(msgspec.Struct, frozen=True):
    """One thing: its kind (of ``KINDS``), colour (of ``COLOURS``) and place (of ``PLACES``)."""

    kind: str
    colour: str
    place: str


class Scene(msgspec.Struct, frozen=True):
    """A theme and its things, left to right; no two things share both kind and colour.

    ``seed`` (64 bit) drives the details that captions don't mention: clouds, hills, sizes.
    """

    theme: str
    things: tuple[Thing, ...]
    seed: int


def split_of(scene: Scene) -> Split:
    """The split that ``scene``'s content belongs to; its seed plays no part."""
    return _split_of_content(scene.theme, [(t.kind, t.colour) for t in scene.things])


def imagine_scene(split: Split, index: int) -> Scene:
    """The scene number ``index`` of ``split``; deterministic, and always of that split's content.

    Raises ValueError for an unknown split.
    """
    if split not in get_args(Split):
        raise ValueError(f"no split {split!r}; there are {', '.join(get_args(Split))}")
    rng = Random(_stable_hash(f"imagine {split} {index}"))
    while True:
        theme = rng.choice(tuple(THEMES))
        items: list[_Item] = []
        count = rng.choice(_COUNTS)
        while len(items) < count:
            items.append(_new_item(theme, items, rng))
        if _split_of_content(theme, items) == split:
            return _assemble(theme, items, rng.getrandbits(64))


def vary_scene(scene: Scene, split: Split, index: int) -> Scene:
    """Variation number ``index`` of ``scene``: same theme, one or two things changed, in ``split``.

    A change recolours, replaces, adds or removes one thing. A scene of two or three things changes once, so
    that it always keeps something. The content always differs from that of ``scene``. Deterministic.
    """
    before = [(t.kind, t.colour) for t in scene.things]
    rng = Random(_stable_hash(f"vary {scene.seed} {split} {index} {before}"))
    while True:
        items = list(before)
        for _ in range(1 if len(before) < 4 else rng.choice((1, 2))):
            _change_one(scene.theme, items, rng)
        if items != before and _split_of_content(scene.theme, items) == split:
            return _assemble(scene.theme, items, rng.getrandbits(64))


def _change_one(theme: str, items: list[_Item], rng: Random) -> None:
    """Recolour, replace, add or remove one of ``items``, in place; keeps two to five of them."""
    at = rng.randrange(len(items))
    change = rng.choice(("recolour", "replace", "add", "remove"))
    if change == "add" and len(items) < 5:
        items.insert(rng.randrange(len(items) + 1), _new_item(theme, items, rng))
    elif change == "remove" and len(items) > 2:
        del items[at]
    elif change == "recolour":
        used = {colour for kind, colour in items if kind == items[at][0]}
        free = [colour for colour in THEMES[theme].colours if colour not in used]
        items[at] = (items[at][0], rng.choice(free))
    else:
        items[at] = _new_item(theme, items, rng)


def _new_item(theme: str, items: list[_Item], rng: Random) -> _Item:
    """A (kind, colour) allowed in ``theme`` that is not yet among ``items``."""
    contents = THEMES[theme]
    while True:
        item = (rng.choice(contents.kinds), rng.choice(contents.colours))
        if item not in items:
            return item


def _assemble(theme: str, items: list[_Item], seed: int) -> Scene:
    places = PLACES[len(items)]
    things = tuple(Thing(k, c, place) for (k, c), place in zip(items, places, strict=True))
    return Scene(theme, things, seed)


def _split_of_content(theme: str, items: list[_Item]) -> Split:
    content = theme + "".join([f" {colour} {kind}" for kind, colour in items])
    return "unseen" if _stable_hash(content) % UNSEEN_ONE_IN == 0 else "train"


def _stable_hash(text: str) -> int:
    """A 64-bit hash that is the same in every process and on every machine."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())
