"""True captions of scenes, in English and Chinese.

Comes in: a scene or a set of scenes. Goes out: one paragraph of two or three sentences.
Not its job: the words (see vocabulary), reading captions back (see reading).

Captions are a function of visible facts only (theme, number of things, what they are), never
of chance, so that a small model can learn to write exactly these sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from scripts.nano.vocabulary import (
    NUMBERS_EN,
    NUMBERS_ZH,
    PLACES_EN,
    PLACES_ZH,
    THEMES_EN,
    THEMES_ZH,
    listed_en,
    listed_zh,
    named_en,
    named_zh,
)
from triptych.demo.scene import Scene

_Item = tuple[str, str]
"""A (kind, colour) pair."""


def describe(scene: Scene, language: str) -> str:
    """One paragraph: the theme, then every thing with its colour and place, left to right."""
    return _DESCRIBE[language](scene)


def describe_set(scenes: Sequence[Scene], language: str) -> str:
    """One paragraph on 2 to 5 images: what they share, each image by number, how they differ."""
    if not 2 <= len(scenes) <= 5:
        raise ValueError(f"found {len(scenes)} scenes, expected 2 to 5: a set has that many images")
    return _DESCRIBE_SET[language](scenes)


def _describe_en(scene: Scene) -> str:
    theme = THEMES_EN[scene.theme]
    parts = []
    for thing in scene.things:
        name, place = named_en(thing.kind, thing.colour), PLACES_EN[thing.place]
        parts.append(f"{place} is {name}" if theme.place_first else f"{name} is {place}")
    listed = parts[0] + " and " + parts[1] if len(parts) == 2 else ", ".join(parts[:-1])
    if len(parts) > 2:
        listed += ", and " + parts[-1]
    return f"{theme.opening} {listed[0].upper()}{listed[1:]}. {theme.closing}"


def _describe_zh(scene: Scene) -> str:
    theme = THEMES_ZH[scene.theme]
    listed = "，".join(
        f"{PLACES_ZH[thing.place]}{'是' if theme.place_first else '有'}{named_zh(thing.kind, thing.colour)}"
        for thing in scene.things
    )
    return f"{theme.opening}{listed}。{theme.closing}"


def _shared_en(scenes: Sequence[Scene]) -> str:
    themes = list(dict.fromkeys(scene.theme for scene in scenes))
    shared = _in_all(scenes)
    count = NUMBERS_EN[len(scenes)]
    if len(themes) == 1:
        opening = f"These {count} images {THEMES_EN[themes[0]].shared}"
    else:
        opening = f"These {count} images show {listed_en([THEMES_EN[t].name for t in themes])}"
    if not shared:
        return f"{opening}, but no single thing appears in all of them."
    names = listed_en([named_en(kind, colour) for kind, colour in shared])
    return f"{opening}, each with {names}."


def _each_en(scenes: Sequence[Scene]) -> str:
    parts = []
    for number, scene in enumerate(scenes, start=1):
        names = listed_en([named_en(thing.kind, thing.colour) for thing in scene.things])
        parts.append(f"image {number} shows {names}")
    listed = "; ".join(parts)
    return f"{listed[0].upper()}{listed[1:]}."


def _difference_en(scenes: Sequence[Scene]) -> str:
    fullest, count = _fullest(scenes)
    if len(fullest) == len(scenes):
        return f"Every image has {NUMBERS_EN[count]} things."
    if len(fullest) == 1:
        return f"Image {fullest[0]} has the most things, with {NUMBERS_EN[count]}."
    numbers = listed_en([str(number) for number in fullest])
    return f"Images {numbers} have the most things, with {NUMBERS_EN[count]} each."


def _shared_zh(scenes: Sequence[Scene]) -> str:
    themes = list(dict.fromkeys(scene.theme for scene in scenes))
    shared = _in_all(scenes)
    count = NUMBERS_ZH[len(scenes)]
    if len(themes) == 1:
        opening = f"这{count}张图像{THEMES_ZH[themes[0]].shared}"
    else:
        opening = f"这{count}张图像展示了{listed_zh([THEMES_ZH[t].name for t in themes])}"
    if not shared:
        return f"{opening}，没有共同出现的物体。"
    names = listed_zh([named_zh(kind, colour) for kind, colour in shared])
    return f"{opening}，每张图像中都有{names}。"


def _each_zh(scenes: Sequence[Scene]) -> str:
    parts = []
    for number, scene in enumerate(scenes, start=1):
        names = listed_zh([named_zh(thing.kind, thing.colour) for thing in scene.things])
        parts.append(f"图像{number}中有{names}")
    return "；".join(parts) + "。"


def _difference_zh(scenes: Sequence[Scene]) -> str:
    fullest, count = _fullest(scenes)
    if len(fullest) == len(scenes):
        return f"每张图像都有{NUMBERS_ZH[count]}个物体。"
    numbers = listed_zh([f"图像{number}" for number in fullest])
    each = "各" if len(fullest) > 1 else ""
    return f"{numbers}的物体最多，{each}有{NUMBERS_ZH[count]}个。"


_DESCRIBE: Mapping[str, Callable[[Scene], str]] = {"en": _describe_en, "zh": _describe_zh}
_DESCRIBE_SET: Mapping[str, Callable[[Sequence[Scene]], str]] = {
    "en": lambda scenes: f"{_shared_en(scenes)} {_each_en(scenes)} {_difference_en(scenes)}",
    "zh": lambda scenes: _shared_zh(scenes) + _each_zh(scenes) + _difference_zh(scenes),
}
"""By code, as the demo's models write these two languages."""


def _in_all(scenes: Sequence[Scene]) -> list[_Item]:
    """The (kind, colour) pairs that every scene has, in the first scene's order."""
    others = [{(t.kind, t.colour) for t in scene.things} for scene in scenes[1:]]
    first = [(t.kind, t.colour) for t in scenes[0].things]
    return [item for item in first if all(item in other for other in others)]


def _fullest(scenes: Sequence[Scene]) -> tuple[list[int], int]:
    """The numbers (from 1) of the images with the most things, and how many those have."""
    count = max(len(scene.things) for scene in scenes)
    return [n for n, scene in enumerate(scenes, start=1) if len(scene.things) == count], count
