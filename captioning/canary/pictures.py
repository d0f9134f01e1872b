"""The pictures of the canary: a few large things on a plain background, drawn like the demo's scenes.

Comes in: nothing. Goes out: always the same scenes, and JPEGs of them. Not its job: the questions about them
(see captions and statements).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.tiling import resized_jpeg, side_per_image
from triptych.demo.painting import paint
from triptych.demo.scene import PLACES, Scene, Thing, imagine_scene

MAX_THINGS = 3
"""Things in a picture: few enough to be large, so that any caption names them first."""

DRAWN_PX = 448
"""The side of a drawn picture."""


def side_px(config: CaptioningConfig) -> int:
    """The side of a picture as it is sent: one tile."""
    return config.tile_px if config.tile_fit else min(DRAWN_PX, side_per_image(config.max_side_px, 2))


@lru_cache(maxsize=256)
def jpeg(scene: Scene, side_px: int) -> bytes:
    """A square picture of ``scene``."""
    return resized_jpeg(paint(scene, DRAWN_PX, DRAWN_PX), (side_px, side_px))


def clear_scenes() -> Iterator[Scene]:
    """Endless scenes of different things. No two in a row share a kind of thing."""
    before: set[str] = set()
    for index in count():
        scene = imagine_scene("unseen", index)
        kinds = {thing.kind for thing in scene.things}
        if len(kinds) == len(scene.things) <= MAX_THINGS and not kinds & before:
            yield scene
            before = kinds


def scene_to_count(theme: str, kind: str, colour: str, number: int) -> Scene:
    """A scene of 2 to 5 things that look the same."""
    return Scene(theme, tuple(Thing(kind, colour, place) for place in PLACES[number]), seed=number)
