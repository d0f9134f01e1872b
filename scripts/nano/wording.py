"""True captions of scenes, in English and Chinese.

Comes in: a scene or a set of scenes. Goes out: one paragraph. For a set, it describes each image, named as
the shipped prompts ask, then how they differ, and last what all of them share. Not its job: the words (see
vocabulary), parsing captions (see reading).

Captions depend on visible facts only (theme, number of things, what they are and where), never on chance, so
that a small model can learn to write exactly these sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from triptych.demo.scene import Scene, Thing


def describe(scene: Scene, language: str) -> str:
    """One paragraph: theme, number of things, every thing with its colour and place, left to right."""
    return join_sentences(sentences(scene, language), language)


def describe_set(scenes: Sequence[Scene], language: str) -> str:
    """One paragraph on 2 to 5 images: each image by name, how they differ, what they share."""
    if not 2 <= len(scenes) <= 5:
        raise ValueError(f"found {len(scenes)} scenes, expected 2 to 5: a set has that many images")
    images = [image_sentence(scene, number, language) for number, scene in enumerate(scenes, start=1)]
    last = [difference_sentence(scenes, language), shared_sentence(scenes, language)]
    return join_sentences([*images, *last], language)


def sentences(scene: Scene, language: str, count: int | None = None) -> list[str]:
    """The sentences of a single image's caption: theme, count, things, theme again.

    ``count``: the number of things to state; None: the true one.
    """
    theme = (THEMES_EN if language == "en" else THEMES_ZH)[scene.theme]
    count = count or len(scene.things)
    count_sentence = (
        f"There are {NUMBERS_EN[count]} things in it."
        if language == "en"
        else f"里面有{NUMBERS_ZH[count]}样东西。"
    )
    return [
        theme.opening,
        count_sentence,
        things_sentence(scene.things, language, place_first=theme.place_first),
        theme.closing,
    ]


def things_sentence(things: Sequence[Thing], language: str, *, place_first: bool) -> str:
    """Where each of ``things`` is; ``place_first``: see ``ThemePhrases``."""
    if language == "zh":
        verb = "是" if place_first else "有"
        return "，".join(f"{PLACES_ZH[t.place]}{verb}{named_zh(t.kind, t.colour)}" for t in things) + "。"
    parts = []
    for thing in things:
        name, place = named_en(thing.kind, thing.colour), PLACES_EN[thing.place]
        parts.append(f"{place} is {name}" if place_first else f"{name} is {place}")
    listed = parts[0] + " and " + parts[1] if len(parts) == 2 else ", ".join(parts[:-1])
    if len(parts) > 2:
        listed += ", and " + parts[-1]
    listed = listed or parts[0]
    return f"{listed[0].upper()}{listed[1:]}."


def image_sentence(scene: Scene, number: int, language: str) -> str:
    """The sentence on image ``number`` in the caption of a set."""
    count = len(scene.things)
    if language == "en":
        placed = [f"{named_en(t.kind, t.colour)} {PLACES_EN[t.place]}" for t in scene.things]
        theme = THEMES_EN[scene.theme].name
        return f"Image-{number}: {theme} with {NUMBERS_EN[count]} things, {listed_en(placed)}."
    placed = [f"{PLACES_ZH[t.place]}是{named_zh(t.kind, t.colour)}" for t in scene.things]
    return f"图{number}:{THEMES_ZH[scene.theme].name}，有{NUMBERS_ZH[count]}样东西，{'，'.join(placed)}。"


def difference_sentence(scenes: Sequence[Scene], language: str) -> str:
    """How the images of a set differ: which of them have the most things."""
    count = max(len(scene.things) for scene in scenes)
    fullest = [n for n, scene in enumerate(scenes, start=1) if len(scene.things) == count]
    return most_things_sentence([] if len(fullest) == len(scenes) else fullest, count, language)


def most_things_sentence(numbers: Sequence[int], count: int, language: str) -> str:
    """States that the images ``numbers`` have the most things, ``count``. Empty ``numbers``: all images."""
    if language == "en":
        if not numbers:
            return f"Each of them has {NUMBERS_EN[count]} things."
        verb, each = ("has", "") if len(numbers) == 1 else ("have", " each")
        names = listed_en([f"Image-{number}" for number in numbers])
        return f"{names} {verb} the most things, {NUMBERS_EN[count]}{each}."
    if not numbers:
        return f"每张图像都有{NUMBERS_ZH[count]}样东西。"
    each = "各" if len(numbers) > 1 else ""
    return f"{listed_zh([f'图{number}' for number in numbers])}的东西最多，{each}有{NUMBERS_ZH[count]}样。"


def shared_sentence(scenes: Sequence[Scene], language: str) -> str:
    """What all images of a set show: their theme, or that it differs.

    It doesn't list common things: a model as small as the nano captioner gets them wrong.
    """
    has_one_theme = len({scene.theme for scene in scenes}) == 1
    if language == "en":
        count = "Both" if len(scenes) == 2 else f"All {NUMBERS_EN[len(scenes)]}"
        place = THEMES_EN[scenes[0].theme].name if has_one_theme else "different places"
        return f"{count} images show {place}."
    place = f"都展示了{THEMES_ZH[scenes[0].theme].name}" if has_one_theme else "的地点不同"
    return f"这{NUMBERS_ZH[len(scenes)]}张图像{place}。"


def join_sentences(parts: Sequence[str], language: str) -> str:
    """Make a paragraph of sentences."""
    return (" " if language == "en" else "").join(parts)
