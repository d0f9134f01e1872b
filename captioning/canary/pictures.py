"""The pictures of the canary: a few large things on a plain backdrop, drawn as the demo's scenes are.

Comes in: nothing. Goes out: scenes, always the same, and JPEGs of them. Not its job: what is asked about them
(see captions and statements).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.tiling import resized_jpeg, side_per_image
from triptych.demo.painting import paint
from triptych.demo.scene import PLACES, Scene, Thing, imagine_scene

MOST_THINGS = 3
"""Of a picture: so many are large, and the first that any caption names."""

DRAWN_PX = 448
"""Side of a picture as it is drawn."""


def side_px(config: CaptioningConfig) -> int:
    """Side of a picture as it is sent: one tile."""
    return config.tile_px if config.tile_fit else min(DRAWN_PX, side_per_image(config.max_side_px, 2))


@lru_cache(maxsize=256)
def jpeg(scene: Scene, side_px: int) -> bytes:
    """A square picture of ``scene``."""
    return resized_jpeg(paint(scene, DRAWN_PX, DRAWN_PX), (side_px, side_px))


def clear_scenes() -> Iterator[Scene]:
    """Scenes of two or three things, without end; no two in a row share a thing, or a kind of thing."""
    before: set[str] = set()
    for index in count():
        scene = imagine_scene("unseen", index)
        kinds = {thing.kind for thing in scene.things}
        if len(kinds) == len(scene.things) <= MOST_THINGS and not kinds & before:
            yield scene
            before = kinds


def alike(theme: str, kind: str, colour: str, number: int) -> Scene:
    """A scene of so many things, 2 to 5, that all look the same."""
    return Scene(theme, tuple(Thing(kind, colour, place) for place in PLACES[number]), seed=number)


def pairs(scenes: Sequence[Scene]) -> list[tuple[Scene, Scene]]:
    """Neighbours, two at a time."""
    return list(zip(scenes[::2], scenes[1::2], strict=True))
