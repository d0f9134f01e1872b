"""Scenes as pictures: backdrop, then every thing in its slot.

In: a `Scene` and a size. Out: an RGB image; deterministic, and the same picture at every size.
Not its job: what a theme's backdrop (`backdrops`) or a kind (`*_figures`) looks like.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image

from triptych.demo import land_figures as land
from triptych.demo import shore_figures as shore
from triptych.demo.backdrops import BACKDROPS
from triptych.demo.brush import Brush
from triptych.demo.scene import Scene
from triptych.demo.tints import TINTS, Tint

FIGURES: dict[str, Callable[[Brush, Tint], None]] = {
    "sailboat": shore.draw_sailboat,
    "ship": shore.draw_ship,
    "lighthouse": shore.draw_lighthouse,
    "whale": shore.draw_whale,
    "balloon": land.draw_balloon,
    "car": land.draw_car,
    "bus": land.draw_bus,
    "house": land.draw_house,
    "umbrella": shore.draw_umbrella,
    "flag": land.draw_flag,
    "flower": land.draw_flower,
    "mushroom": land.draw_mushroom,
    "tent": land.draw_tent,
    "kite": shore.draw_kite,
    "sled": land.draw_sled,
    "gift": land.draw_gift,
    "rocket": land.draw_rocket,
    "lantern": land.draw_lantern,
    "bucket": shore.draw_bucket,
    "crab": shore.draw_crab,
}

#: A figure's unit, as a share of the picture's width, by how many things there are.
_UNIT = {2: 0.34, 3: 0.285, 4: 0.225, 5: 0.188}
#: A figure's unit is at most this share of the picture's height.
_MAX_UNIT_HEIGHT = 0.37
#: Where things stand, as a share of the height from the top.
_GROUND = {
    "harbour": 0.79,
    "street": 0.84,
    "meadow": 0.84,
    "snowfield": 0.84,
    "night": 0.86,
    "beach": 0.87,
}
#: Kinds off the ground, and where they float.
_AFLOAT = {"balloon": 0.64, "kite": 0.6, "rocket": 0.76}
#: Where a sailboat floats off a beach.
_BEACH_WATER = 0.63


def paint(scene: Scene, width_px: int, height_px: int) -> Image.Image:
    """Paint `scene`, RGB, `width_px` by `height_px`; small pictures are smoothed."""
    factor = _supersampling(max(width_px, height_px))
    canvas = Image.new("RGB", (width_px * factor, height_px * factor))
    rng = Random(scene.seed)
    BACKDROPS[scene.theme](Brush(canvas, (0, 0), canvas.size), rng)
    for slot in range(len(scene.things)):
        _place(canvas, scene, slot, rng)
    return canvas.reduce(factor) if factor > 1 else canvas


def _place(canvas: Image.Image, scene: Scene, slot: int, rng: Random) -> None:
    """Draw thing number `slot` with its shadow; sizes and heights vary a little with `rng`."""
    thing, count = scene.things[slot], len(scene.things)
    width, height = canvas.size
    unit = width * _UNIT[count] * rng.uniform(0.93, 1.03)
    stretch = min(1.25, max(0.85, (height / width) ** 0.5))
    rise = min(unit * stretch, height * _MAX_UNIT_HEIGHT)
    x = width * ((slot + 0.5 + rng.uniform(-0.03, 0.03)) / count)
    y = height * (_base(thing.kind, scene.theme) + rng.uniform(-0.02, 0.02))
    if thing.kind not in _AFLOAT:
        _shade(Brush(canvas, (x, y), (unit, rise)), thing.kind, scene.theme)
    facing = rng.choice((-1, 1))
    FIGURES[thing.kind](Brush(canvas, (x, y), (facing * unit, -rise)), TINTS[thing.colour])


def _base(kind: str, theme: str) -> float:
    if kind == "sailboat" and theme == "beach":
        return _BEACH_WATER
    return _AFLOAT.get(kind, _GROUND[theme])


def _shade(brush: Brush, kind: str, theme: str) -> None:
    """A soft shadow on land, ripples on water."""
    if theme == "harbour" or kind == "sailboat":
        for width, y in ((0.56, 0.02), (0.44, 0.07), (0.3, 0.12)):
            brush.ellipse((0, y), (width, 0.03), (14, 52, 96, 90))
    else:
        brush.ellipse((0, 0.0), (0.54, 0.07), (20, 24, 40, 70))


def _supersampling(longer_side_px: int) -> int:
    """How many times finer to draw than asked: large pictures look smooth as they are."""
    if longer_side_px <= 160:
        return 3
    return 2 if longer_side_px < 1000 else 1
