"""Scenes with one fact changed, and captions with one untrue statement.

Comes in: scenes and what is to be untrue. Goes out: other scenes, captions. Not its job: how a scene is told
(see wording).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import msgspec

from scripts.nano.wording import difference, most_things, sentence_of, sentences, shared, things_sentence
from triptych.demo.scene import PLACES, THEMES, Scene, Thing

PLANTED = ("colour", "thing", "place", "count", "theme", "other image", "shared")
"""What may be untrue in a caption; ``shared``: of what all images of a set show."""


def planted_caption(scenes: Sequence[Scene], language: str, kind: str, rng: Random) -> str | None:
    """A caption of one image or a set with one statement untrue in this way; None where it can't be drawn.

    ``other image``: said of another image of the set.
    """
    at = rng.randrange(len(scenes))
    if len(scenes) == 1:
        told = _single_with(scenes[0], language, kind, rng)
    else:
        told = _set_with(scenes, at, language, kind, rng)
    return None if told is None else (" " if language == "en" else "").join(told)


def _single_with(scene: Scene, language: str, kind: str, rng: Random) -> list[str] | None:
    told = sentences(scene, language)
    if kind == "count":
        told[1] = sentences(scene, language, _other_count(scene, rng))[1]
    elif kind == "theme":
        at = rng.choice((0, 3))
        told[at] = sentences(_with_other_theme(scene, rng), language)[at]
    elif kind in ("colour", "thing", "place"):
        other = turned(scene, (), rng, kind)
        if other is None:
            return None
        place_first = told[2] == things_sentence(scene.things, language, place_first=True)
        told[2] = things_sentence(other.things, language, place_first=place_first)
    else:
        return None
    return told


def _set_with(scenes: Sequence[Scene], at: int, language: str, kind: str, rng: Random) -> list[str] | None:
    told = [sentence_of(scene, number, language) for number, scene in enumerate(scenes, start=1)]
    compared, common = difference(scenes, language), shared(scenes, language)
    if kind == "count":
        fullest = max(scenes, key=lambda scene: len(scene.things))
        numbers = [n for n, each in enumerate(scenes, start=1) if len(each.things) == len(fullest.things)]
        numbers = [] if len(numbers) == len(scenes) else numbers
        compared = most_things(numbers, _other_count(fullest, rng), language)
    elif kind == "shared":
        common = shared([_with_other_theme(scenes[0], rng)] * len(scenes), language)
    else:
        other = turned(scenes[at], scenes, rng, kind)
        if other is None or kind == "theme":
            return None
        told[at] = sentence_of(other, at + 1, language)
    return [*told, compared, common]


def _other_count(scene: Scene, rng: Random) -> int:
    return rng.choice([n for n in PLACES if n != len(scene.things)])


def _with_other_theme(scene: Scene, rng: Random) -> Scene:
    theme = rng.choice([name for name in THEMES if name != scene.theme])
    return msgspec.structs.replace(scene, theme=theme)


def some_of(scene: Scene, rng: Random, must_have: Sequence[Thing]) -> Scene:
    """With some of its things only, those of ``must_have`` among them."""
    count = 1 if rng.random() < 0.4 else rng.randrange(1, len(scene.things) + 1)
    kept = set(rng.sample(range(len(scene.things)), count))
    things = [t for at, t in enumerate(scene.things) if at in kept or t in must_have]
    return msgspec.structs.replace(scene, things=tuple(things))


def differing(scene: Scene, other: Scene) -> list[Thing]:
    """What ``other`` has that ``scene`` hasn't."""
    return [thing for thing in other.things if thing not in scene.things]


def turned(scene: Scene, family: Sequence[Scene], rng: Random, kind: str) -> Scene | None:
    """``scene`` with one fact of this ``kind`` another."""
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
    elif kind == "copied":  # from the thing beside it: a captioner confuses the two
        to = rng.choice([n for n in (at - 1, at + 1) if 0 <= n < len(things)])
        what = rng.choice(("colour", "kind"))
        things[at] = msgspec.structs.replace(thing, **{what: getattr(things[to], what)})
        if rng.random() < 0.3:  # and the other way round
            things[to] = msgspec.structs.replace(things[to], **{what: getattr(thing, what)})
        if taken == {(each.kind, each.colour) for each in things}:
            return None
    elif kind == "place":
        to = rng.choice([n for n in range(len(things)) if n != at])
        one, two = things[at], things[to]
        things[at] = msgspec.structs.replace(two, place=one.place)
        things[to] = msgspec.structs.replace(one, place=two.place)
    elif kind == "theme":
        return _with_other_theme(scene, rng)
    else:
        others = [each for each in family if _says_more(each, scene)]
        return rng.choice(others) if others else None
    return msgspec.structs.replace(scene, things=tuple(things))


def _says_more(other: Scene, scene: Scene) -> bool:
    """Whether a sentence on ``other`` is untrue of ``scene``."""
    return bool(differing(scene, other))
