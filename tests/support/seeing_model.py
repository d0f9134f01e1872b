"""A model that recognises the canary's pictures, and faults of engines in front of it.

It describes them in its own words. About any other picture it says that it shows a grey stone.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence

from tests.support.scripted_endpoint import Asked, Reply, say
from triptych.captioning.canary.question import Question, jpeg
from triptych.captioning.tiling import trial_jpeg
from triptych.demo.scene import Scene

Images = tuple[bytes, ...]
Fault = Callable[[Images], Images]
"""Turns the images of a request into those that the engine passes to the model."""

BLANK = trial_jpeg(56)


def sound(images: Images) -> Images:
    return images


def dropped(images: Images) -> Images:
    return ()


def swapped(images: Images) -> Images:
    return images[::-1]


def blank(images: Images) -> Images:
    return (BLANK,) * len(images)


class OfTheRequestBefore:
    """Passes the images of an earlier request that had as many."""

    def __init__(self) -> None:
        self._before: dict[int, Images] = {}

    def __call__(self, images: Images) -> Images:
        before = self._before.get(len(images), images)
        self._before[len(images)] = images
        return before


class SeeingModel:
    """Answers requests for captions, and questions about statements."""

    def __init__(self, questions: Iterable[Question], side_px: int) -> None:
        scenes = [scene for question in questions for scene in question.scenes]
        self._scene_of = {jpeg(scene, side_px): scene for scene in scenes}
        self.fault: Fault = sound

    def __call__(self, asked: Asked) -> Reply:
        parts = asked.body["messages"][0]["content"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        images = tuple(base64.b64decode(url.partition("base64,")[2]) for url in urls)
        return say(self.answer(parts[-1]["text"], images))

    def answer(self, words: str, images: Images) -> str:
        """The answer to a prompt with these images."""
        seen = [self._scene_of.get(image) for image in self.fault(images)]
        statement = re.search(r"Statement: (.*)", words)
        if statement is not None:
            return "Yes." if any(_is_true(statement.group(1), scene) for scene in seen if scene) else "No."
        if len(images) == 1:
            return f"The illustration shows {_described(seen[0] if seen else None)}."
        parts = [f"Image-{number}: There is {_described(scene)}." for number, scene in enumerate(seen, 1)]
        return (
            " ".join([*parts, "Both are drawn in bright colours."]) if parts else "No images were given here."
        )


def _described(scene: Scene | None) -> str:
    if scene is None:
        return "a grey stone on grey ground"
    kinds = {(thing.colour, thing.kind) for thing in scene.things}
    if len(kinds) == 1:
        ((colour, kind),) = kinds
        return f"{len(scene.things)} {colour} {kind}s under a blue sky"
    return ", ".join(f"a bright {thing.colour} {thing.kind}" for thing in scene.things) + " under a blue sky"


def _is_true(statement: str, scene: Scene) -> bool:
    place = re.fullmatch(r"(?:On|In) the (\w+) is an? (\w+) (\w+)\.", statement)
    if place is not None:
        return place.groups() in {(thing.place, thing.colour, thing.kind) for thing in scene.things}
    word, colour, kind = re.fullmatch(r"There are (\w+) (\w+) (\w+)s\.", statement).groups()
    number = {"two": 2, "three": 3, "four": 4, "five": 5}[word]
    return [(each.colour, each.kind) for each in scene.things] == [(colour, kind)] * number


def answers(model: SeeingModel, questions: Sequence[Question]) -> list[str]:
    """The model's answers to ``questions``, in order."""
    return [model.answer(each.request.prompt, each.request.images) for each in questions]
