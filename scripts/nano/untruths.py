"""Scenes with one fact changed, and captions with one untrue statement.

Comes in: scenes and the kind of untruth. Goes out: changed scenes, captions. Not its job: the wording of
captions (see wording).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from scripts.nano.wording import (
    difference_sentence,
    image_sentence,
    join_sentences,
    most_things_sentence,
    sentences,
    shared_sentence,
    things_sentence,
)
from triptych.demo.scene import PLACES, THEMES, Scene, Thing

PLANTED = ("colour", "thing", "place", "count", "theme", "other image", "shared")
"""Kinds of untruths in captions. ``shared``: about what all images of a set show."""


def planted_caption(scenes: Sequence[Scene], language: str, kind: str, rng: Random) -> str | None:
    """A caption of one image or a set with one untrue statement of this ``kind``; None if none can be drawn.

    ``other image``: the statement describes another image of the set.
    """
    at = rng.randrange(len(scenes))
    if len(scenes) == 1:
        planted = _single_with(scenes[0], language, kind, rng)
    else:
        planted = _set_with(scenes, at, language, kind, rng)
    return None if planted is None else join_sentences(planted, language)


def _single_with(scene: Scene, language: str, kind: str, rng: Random) -> list[str] | None:
    planted = sentences(scene, language)
    if kind == "count":
        planted[1] = sentences(scene, language, _other_count(scene, rng))[1]
    elif kind == "theme":
        at = rng.choice((0, 3))
        planted[at] = sentences(_with_other_theme(scene, rng), language)[at]
    elif kind in ("colour", "thing", "place"):
        other = change_one_fact(scene, (), rng, kind)
        if other is None:
            return None
        place_first = planted[2] == things_sentence(scene.things, language, place_first=True)
        planted[2] = things_sentence(other.things, language, place_first=place_first)
    else:
        return None
    return planted


def _set_with(scenes: Sequence[Scene], at: int, language: str, kind: str, rng: Random) -> list[str] | None:
    planted = [image_sentence(scene, number, language) for number, scene in enumerate(scenes, start=1)]
    compared, common = difference_sentence(scenes, language), shared_sentence(scenes, language)
    if kind == "count":
        fullest = max(scenes, key=lambda scene: len(scene.things))
        numbers = [n for n, each in enumerate(scenes, start=1) if len(each.things) == len(fullest.things)]
        numbers = [] if len(numbers) == len(scenes) else numbers
        compared = most_things_sentence(numbers, _other_count(fullest, rng), language)
    elif kind == "shared":
        common = shared_sentence([_with_other_theme(scenes[0], rng)] * len(scenes), language)
    else:
        other = change_one_fact(scenes[at], scenes, rng, kind)
        if other is None or kind == "theme":
            return None
        planted[at] = image_sentence(other, at + 1, language)
    return [*planted, compared, common]


def _other_count(scene: Scene, rng: Random) -> int:
    return rng.choice([n for n in PLACES if n != len(scene.things)])


def _with_other_theme(scene: Scene, rng: Random) -> Scene:
    theme = rng.choice([name for name in THEMES if name != scene.theme])
    return msgspec.structs.replace(scene, theme=theme)


def keep_some_things(scene: Scene, rng: Random, must_keep: Sequence[Thing]) -> Scene:
    """``scene`` with a random part of its things, ``must_keep`` among them."""
    count = 1 if rng.random() < 0.4 else rng.randrange(1, len(scene.things) + 1)
    kept = set(rng.sample(range(len(scene.things)), count))
    things = [t for at, t in enumerate(scene.things) if at in kept or t in must_keep]
    return msgspec.structs.replace(scene, things=tuple(things))


def missing_things(scene: Scene, other: Scene) -> list[Thing]:
    """The things of ``other`` that ``scene`` doesn't have."""
    return [thing for thing in other.things if thing not in scene.things]


def change_one_fact(scene: Scene, family: Sequence[Scene], rng: Random, kind: str) -> Scene | None:
    """``scene`` with one fact of this ``kind`` changed; None if that isn't possible.

    ``other image``: another scene of ``family`` that has things which this one doesn't have.
    """
    things = list(scene.things)
    at = rng.randrange(len(things))
    thing = things[at]
    taken = {(each.kind, each.colour) for each in things}
    if kind == "colour":
        free = [c for c in THEMES[scene.theme].colours if (thing.kind, c) not in taken]
        things[at] = msgspec.structs.replace(thing, colour=rng.choice(free))
    elif kind == "thing":
        free = [k for k in THEMES[scene.theme].kinds if (k, thing.colour) not in taken]
        if not free:
            return None
        things[at] = msgspec.structs.replace(thing, kind=rng.choice(free))
    elif kind == "copied":  # from the neighbouring thing: captioners confuse the two
        neighbour = rng.choice([n for n in (at - 1, at + 1) if 0 <= n < len(things)])
        field = rng.choice(("colour", "kind"))
        things[at] = msgspec.structs.replace(thing, **{field: getattr(things[neighbour], field)})
        if rng.random() < 0.3:  # swapped
            things[neighbour] = msgspec.structs.replace(things[neighbour], **{field: getattr(thing, field)})
        if taken == {(each.kind, each.colour) for each in things}:
            return None
    elif kind == "place":
        partner = rng.choice([n for n in range(len(things)) if n != at])
        one, two = things[at], things[partner]
        things[at] = msgspec.structs.replace(two, place=one.place)
        things[partner] = msgspec.structs.replace(one, place=two.place)
    elif kind == "theme":
        return _with_other_theme(scene, rng)
    else:
        others = [each for each in family if missing_things(scene, each)]
        return rng.choice(others) if others else None
    return msgspec.structs.replace(scene, things=tuple(things))
