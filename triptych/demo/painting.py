"""Paints scenes: the backdrop, then every thing in its slot.

Comes in: a ``Scene`` and a size. Goes out: an RGB image; deterministic, and the same picture at every size.
Not its job: what the backdrop of a theme or a kind of thing looks like (see drawings).
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from PIL import Image

from triptych.demo.drawings import land_figures as land
from triptych.demo.drawings import shore_figures as shore
from triptych.demo.drawings.backdrops import BACKDROPS
from triptych.demo.drawings.brush import Brush
from triptych.demo.drawings.tints import TINTS, Tint
from triptych.demo.scene import Scene

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

_UNIT = {2: 0.34, 3: 0.285, 4: 0.225, 5: 0.188}
"""A figure's unit, as a share of the picture's width, by how many things there are."""
_MAX_UNIT_HEIGHT = 0.37
"""A figure's unit is at most this share of the picture's height."""
_ROAD, _PAVEMENT = 0.89, 0.815
"""Vehicles stand on the road, in front of the pavement."""
_GROUND = {
    "harbour": 0.79,
    "street": _PAVEMENT,
    "meadow": 0.84,
    "snowfield": 0.84,
    "night": 0.86,
    "beach": 0.87,
}
"""Where things stand, as a share of the height from the top."""
_AFLOAT = {"balloon": 0.64, "kite": 0.6, "rocket": 0.76}
"""Kinds that are off the ground, and where they float."""
_BEACH_WATER = 0.59
"""Where a sailboat floats at a beach."""
_POST = {"flag": -0.36, "lantern": 0.42}
"""Where the shadow of a kind on a post falls: its middle, in units of the figure."""


def paint(scene: Scene, width_px: int, height_px: int) -> Image.Image:
    """Paint ``scene``, RGB, ``width_px`` by ``height_px``; edges are smooth."""
    factor = _supersampling(max(width_px, height_px))
    canvas = Image.new("RGB", (width_px * factor, height_px * factor))
    rng = Random(scene.seed)
    BACKDROPS[scene.theme](Brush(canvas, (0, 0), canvas.size), rng)
    for slot in range(len(scene.things)):
        _place(canvas, scene, slot, rng)
    return canvas.reduce(factor)


def _place(canvas: Image.Image, scene: Scene, slot: int, rng: Random) -> None:
    """Draw thing number ``slot`` with its shadow; sizes and heights vary a little with ``rng``."""
    thing, count = scene.things[slot], len(scene.things)
    width, height = canvas.size
    unit = width * _UNIT[count] * rng.uniform(0.93, 1.03)
    stretch = min(1.25, max(0.85, (height / width) ** 0.5))
    rise = min(unit * stretch, height * _MAX_UNIT_HEIGHT)
    x = width * ((slot + 0.5 + rng.uniform(-0.03, 0.03)) / count)
    y = height * (_base(thing.kind, scene.theme) + rng.uniform(-0.015, 0.015))
    brush = Brush(canvas, (x, y), (rng.choice((-1, 1)) * unit, -rise))
    tint = TINTS[thing.colour]
    if thing.kind not in _AFLOAT:
        if scene.theme == "harbour" or thing.kind == "sailboat":
            _reflect(brush, tint)
        else:
            _shade(brush, thing.kind)
    FIGURES[thing.kind](brush, tint)


def _base(kind: str, theme: str) -> float:
    if kind == "sailboat" and theme == "beach":
        return _BEACH_WATER
    if kind in ("car", "bus"):
        return _ROAD
    return _AFLOAT.get(kind, _GROUND[theme])


def _reflect(brush: Brush, tint: Tint) -> None:
    """Ripples below a thing on water, darker than the water and touched by its colour."""
    r, g, b = tint.main[:3]
    for half, y in ((0.52, 0.0), (0.44, -0.045), (0.34, -0.09), (0.2, -0.13)):
        brush.ellipse((0, y), (half, 0.024), (14, 52, 96, 90))
        brush.ellipse((0, y), (half * 0.8, 0.016), (r, g, b, 70))


def _shade(brush: Brush, kind: str) -> None:
    """A soft shadow on the ground, under the post of what hangs on one."""
    half = 0.2 if kind in _POST else 0.5
    for share in (1.0, 0.8):
        brush.ellipse((_POST.get(kind, 0.0), 0), (half * share, 0.055 * share), (20, 24, 40, 50))


def _supersampling(longer_side_px: int) -> int:
    """How many times larger to draw than asked, for smooth edges; 1 for huge pictures."""
    if longer_side_px <= 256:
        return 3
    return 2 if longer_side_px <= 3000 else 1
