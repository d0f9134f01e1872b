"""Backdrops: sky, ground and scenery of each theme.

Comes in: a brush over the whole canvas (0..1 both ways, y downwards) and a random source.
Nothing drawn here is a nameable coloured thing: hills, clouds, waves, plain grey buildings.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from random import Random

from triptych.demo.drawings.brush import Brush, Colour, Point, blend

Backdrop = Callable[[Brush, Random], None]

_PUFFS = ((-0.9, 0.2, 0.6), (-0.2, -0.15, 0.8), (0.6, 0.1, 0.7), (1.2, 0.3, 0.45))
"""A cloud's puffs: offset from its middle and radius, in units of its size."""


def _clouds(brush: Brush, rng: Random, count: int, lowest: float, sky: Colour) -> None:
    """``count`` puffy clouds between the top and ``lowest``, shaded below towards ``sky``."""
    for _ in range(count):
        x, y = rng.random(), rng.uniform(0.06, lowest)
        size = rng.uniform(0.05, 0.09)
        tall = size * brush.aspect**0.5
        for drop, fill in ((0.3, blend(sky, (255, 255, 255), 0.5)), (0.0, (250, 252, 254))):
            for dx, dy, r in _PUFFS:
                centre = (x + dx * size, y + (dy + drop) * tall * 0.5)
                brush.ellipse(centre, (r * size, r * tall * 0.5), fill)


def _ridge(brush: Brush, rng: Random, y: float, swing: float, fill: Colour) -> None:
    """A rolling hill line at height ``y``, filled down to the bottom edge."""
    phase, bend = rng.uniform(0, 2 * pi), rng.uniform(0.8, 1.5)
    line: list[Point] = []
    for i in range(41):
        t = i / 40
        wave = sin(2 * pi * bend * t + phase) + 0.4 * sin(4.3 * pi * bend * t + 2 * phase)
        line.append((t, y - swing * wave))
    brush.polygon([*line, (1, 1), (0, 1)], fill)


def _glow(brush: Brush, centre: Point, radius: float, light: tuple[int, int, int]) -> None:
    """A light that fades outwards from ``centre`` to three times ``radius``, and its disc."""
    r, g, b = light
    for ring in range(16):
        brush.disc(centre, radius * (3 - 0.125 * ring), (r, g, b, 4 + ring))
    brush.disc(centre, radius, light)


def _paint_harbour(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.56, [(104, 168, 220), (168, 208, 234), (238, 232, 218)])
    sun_x = rng.uniform(0.1, 0.9)
    _glow(brush, (sun_x, rng.uniform(0.1, 0.2)), 0.055, (255, 250, 232))
    _clouds(brush, rng, 3, 0.26, (150, 196, 230))
    _ridge(brush, rng, 0.54, 0.014, (150, 176, 196))
    brush.gradient(0.56, 1, [(86, 156, 198), (44, 116, 172), (20, 72, 128)])
    for row in range(14):
        half = rng.uniform(0.01, 0.03) + 0.003 * row
        y, x = 0.57 + 0.016 * row, sun_x + rng.uniform(-0.02, 0.02)
        brush.line([(x - half, y), (x + half, y)], (255, 246, 220, 90), 0.005)
    for row in range(9):
        y = 0.59 + 0.047 * row
        for _ in range(4):
            x, half = rng.random(), rng.uniform(0.03, 0.06) * (1 + row / 6)
            brush.ellipse((x, y), (half, 0.002 + 0.0004 * row), (206, 230, 244, 110))


def _paint_street(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.72, [(172, 204, 228), (228, 228, 222), (246, 232, 212)])
    _clouds(brush, rng, 2, 0.12, (180, 208, 228))
    x = -0.03
    while x < 1:
        width, top = rng.uniform(0.13, 0.2), rng.uniform(0.16, 0.36)
        shade = rng.randint(150, 184)
        brush.box((x, top), (x + width, 0.74), (shade, shade, shade + 4))
        brush.box((x, top), (x + width, top + 0.012), (shade - 24, shade - 24, shade - 20))
        for row in range(int((0.66 - top) / 0.075)):
            for column in range(3):
                left = x + width * (column + 0.28) / 3
                y = top + 0.035 + 0.075 * row
                window = (206, 210, 212) if rng.random() < 0.6 else (128, 132, 140)
                brush.box((left, y), (left + width * 0.147, y + 0.04), window)
        x += width
    brush.gradient(0.74, 0.84, [(206, 202, 196), (190, 186, 182)])
    brush.gradient(0.84, 1, [(96, 98, 106), (78, 80, 88)])
    brush.box((0, 0.836), (1, 0.846), (222, 220, 214))
    shift = rng.uniform(0, 0.2)
    for i in range(-1, 5):
        dash = 0.2 * i + shift
        points = [(dash, 0.93), (dash + 0.1, 0.93), (dash + 0.09, 0.945), (dash - 0.01, 0.945)]
        brush.polygon(points, (226, 226, 222))


def _paint_meadow(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.6, [(116, 184, 236), (184, 220, 244), (232, 242, 240)])
    _glow(brush, (rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.16)), 0.055, (255, 250, 226))
    _clouds(brush, rng, 3, 0.26, (160, 208, 240))
    _ridge(brush, rng, 0.5, 0.03, (150, 196, 156))
    _ridge(brush, rng, 0.57, 0.025, (122, 184, 112))
    _ridge(brush, rng, 0.63, 0.012, (112, 180, 84))
    brush.gradient(0.66, 1, [(112, 180, 84), (92, 164, 66), (66, 134, 50)])
    _ridge(brush, rng, 0.9, 0.012, (74, 146, 56))
    for _ in range(46):
        x, y = rng.random(), rng.uniform(0.66, 1)
        lean, tall = rng.uniform(-0.01, 0.01), 0.012 + 0.03 * (y - 0.6)
        brush.line([(x, y), (x + lean, y - tall)], (58, 120, 46, 170), 0.004)


def _paint_snowfield(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.62, [(158, 184, 208), (198, 214, 228), (232, 236, 242)])
    for y, rock in ((0.46, (184, 198, 216)), (0.56, (168, 184, 206))):
        x = rng.uniform(-0.1, 0.0)
        while x < 1.1:
            top, half = y - rng.uniform(0.08, 0.15), rng.uniform(0.16, 0.22)
            slope = (y + 0.1 - top) / half
            brush.polygon([(x, top), (x + half, y + 0.1), (x - half, y + 0.1)], rock)
            cap = [(-0.3, 0.3), (-0.12, 0.2), (0.0, 0.32), (0.14, 0.22), (0.3, 0.3)]
            snow = [(x + dx * half, top + dy * half * slope) for dx, dy in cap]
            brush.polygon([(x, top), *reversed(snow)], (240, 244, 249))
            x += rng.uniform(0.2, 0.28)
        brush.box((0, y + 0.1), (1, 0.7), rock)
    _ridge(brush, rng, 0.61, 0.014, (236, 241, 247))
    brush.gradient(0.64, 1, [(236, 241, 247), (246, 249, 252), (220, 230, 242)])
    _ridge(brush, rng, 0.72, 0.018, (246, 249, 252))
    _ridge(brush, rng, 0.93, 0.014, (228, 236, 245))
    for _ in range(40):
        x, y, size = rng.random(), rng.random() * 0.95, rng.uniform(0.004, 0.009)
        for i in range(3):
            dx, dy = size * cos(pi * i / 3), size * sin(pi * i / 3)
            brush.line([(x - dx, y - dy), (x + dx, y + dy)], (255, 255, 255, 210), 0.003)


def _paint_night(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.7, [(10, 14, 46), (26, 32, 82), (58, 58, 112)])
    for _ in range(60):
        x, y, size = rng.random(), rng.uniform(0, 0.6), rng.uniform(0.0014, 0.0036)
        brush.disc((x, y), size, (236, 238, 255, rng.randint(130, 255)))
    x, y = rng.uniform(0.08, 0.92), rng.uniform(0.09, 0.13)
    _glow(brush, (x, y), 0.05, (216, 220, 234))
    for dx, dy, r in ((-0.013, -0.01, 0.011), (0.014, 0.006, 0.013), (-0.006, 0.02, 0.008)):
        brush.disc((x + dx, y + dy), r, (194, 200, 218))
    _ridge(brush, rng, 0.6, 0.035, (34, 38, 78))
    _ridge(brush, rng, 0.68, 0.025, (26, 32, 62))
    _ridge(brush, rng, 0.78, 0.014, (24, 36, 56))
    _ridge(brush, rng, 0.92, 0.012, (16, 26, 42))


def _paint_beach(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.46, [(96, 180, 230), (160, 214, 240), (222, 240, 244)])
    _glow(brush, (rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.16)), 0.055, (255, 252, 234))
    _clouds(brush, rng, 2, 0.24, (150, 208, 238))
    brush.gradient(0.44, 0.68, [(58, 146, 190), (88, 184, 208), (150, 216, 220)])
    for _ in range(12):
        x, y, half = rng.random(), rng.uniform(0.47, 0.62), rng.uniform(0.02, 0.05)
        brush.line([(x - half, y), (x + half, y)], (220, 242, 246, 130), 0.004)
    edge = Random(rng.getrandbits(32))
    twin = Random()
    twin.setstate(edge.getstate())
    _ridge(brush, edge, 0.645, 0.009, (246, 250, 250))
    _ridge(brush, twin, 0.662, 0.009, (242, 226, 186))
    brush.gradient(0.7, 1, [(242, 226, 186), (236, 214, 168), (224, 198, 150)])
    for _ in range(50):
        x, y = rng.random(), rng.uniform(0.72, 1)
        brush.ellipse((x, y), (0.003, 0.003), (196, 170, 126, 160))


BACKDROPS: dict[str, Backdrop] = {
    "harbour": _paint_harbour,
    "street": _paint_street,
    "meadow": _paint_meadow,
    "snowfield": _paint_snowfield,
    "night": _paint_night,
    "beach": _paint_beach,
}
