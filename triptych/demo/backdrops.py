"""Backdrops: sky, ground and scenery of each theme.

In: a brush over the whole canvas (0..1 both ways, y downwards) and a random source.
Nothing drawn here is a nameable coloured thing: hills, clouds, waves, plain grey buildings.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin
from random import Random

from triptych.demo.brush import Brush, Colour, Point

Backdrop = Callable[[Brush, Random], None]


def _cloud(brush: Brush, rng: Random, y: float, size: float, fill: Colour) -> None:
    x = rng.random()
    for dx, dy, r in ((-0.9, 0.2, 0.6), (-0.2, -0.1, 0.8), (0.6, 0.1, 0.7), (1.2, 0.3, 0.45)):
        brush.ellipse((x + dx * size, y + dy * size * 0.5), (r * size, r * size * 0.5), fill)


def _ridge(brush: Brush, rng: Random, y: float, swing: float, fill: Colour) -> None:
    """A rolling hill line at height `y`, filled down to the bottom edge."""
    phase, bend = rng.uniform(0, 2 * pi), rng.uniform(0.8, 1.5)
    line: list[Point] = []
    for i in range(41):
        t = i / 40
        wave = sin(2 * pi * bend * t + phase) + 0.4 * sin(4.3 * pi * bend * t + 2 * phase)
        line.append((t, y - swing * wave))
    brush.polygon([*line, (1, 1), (0, 1)], fill)


def _sun(brush: Brush, rng: Random, y: float, fill: tuple[int, int, int]) -> None:
    x = rng.uniform(0.1, 0.9)
    r, g, b = fill
    for radius, alpha in ((0.15, 36), (0.11, 50), (0.08, 80), (0.05, 255)):
        brush.ellipse((x, y), (radius, radius), (r, g, b, alpha))


def _paint_harbour(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.56, [(104, 168, 220), (168, 208, 234), (238, 232, 218)])
    _sun(brush, rng, rng.uniform(0.1, 0.2), (255, 250, 232))
    for _ in range(3):
        _cloud(brush, rng, rng.uniform(0.06, 0.26), rng.uniform(0.05, 0.09), (255, 255, 255, 130))
    _ridge(brush, rng, 0.54, 0.014, (150, 176, 196))
    brush.gradient(0.56, 1, [(86, 156, 198), (44, 116, 172), (20, 72, 128)])
    for row in range(9):
        y = 0.59 + 0.047 * row
        for _ in range(4):
            x, half = rng.random(), rng.uniform(0.03, 0.06) * (1 + row / 6)
            crest = [(x - half + half * i / 4, y - 0.006 * sin(pi * i / 8)) for i in range(9)]
            brush.line(crest, (206, 230, 244, 110), 0.004 + 0.0006 * row)


def _paint_street(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.72, [(172, 204, 228), (228, 228, 222), (246, 232, 212)])
    for _ in range(2):
        _cloud(brush, rng, rng.uniform(0.05, 0.14), rng.uniform(0.05, 0.08), (255, 255, 255, 150))
    x = -0.03
    while x < 1:
        width, top = rng.uniform(0.13, 0.2), rng.uniform(0.16, 0.36)
        shade = rng.randint(150, 184)
        brush.box((x, top), (x + width, 0.74), (shade, shade, shade + 4))
        brush.box((x, top), (x + width, top + 0.012), (shade - 24, shade - 24, shade - 20))
        columns = 3
        for row in range(int((0.66 - top) / 0.075)):
            for column in range(columns):
                left = x + width * (column + 0.28) / columns
                y = top + 0.035 + 0.075 * row
                window = (206, 210, 212) if rng.random() < 0.6 else (128, 132, 140)
                brush.box((left, y), (left + width * 0.44 / columns, y + 0.04), window)
        x += width + 0.004
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
    _sun(brush, rng, rng.uniform(0.08, 0.16), (255, 250, 226))
    for _ in range(3):
        _cloud(brush, rng, rng.uniform(0.06, 0.28), rng.uniform(0.06, 0.1), (255, 255, 255, 170))
    _ridge(brush, rng, 0.5, 0.03, (150, 196, 156))
    _ridge(brush, rng, 0.57, 0.025, (122, 184, 112))
    brush.gradient(0.62, 1, [(112, 180, 84), (92, 164, 66), (66, 134, 50)])
    _ridge(brush, rng, 0.9, 0.012, (74, 146, 56))
    for _ in range(46):
        x, y = rng.random(), rng.uniform(0.66, 1)
        lean, tall = rng.uniform(-0.01, 0.01), 0.012 + 0.03 * (y - 0.6)
        brush.line([(x, y), (x + lean, y - tall)], (58, 120, 46, 170), 0.004)


def _paint_snowfield(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.62, [(158, 184, 208), (198, 214, 228), (232, 236, 242)])
    for y, shade in ((0.5, (186, 200, 216)), (0.54, (206, 218, 230))):
        peaks: list[Point] = [(0.0, y)]
        x = rng.uniform(-0.1, 0.1)
        while x < 1.1:
            peaks += [(x, y - rng.uniform(0.08, 0.2)), (x + 0.13, y - rng.uniform(0.0, 0.04))]
            x += rng.uniform(0.22, 0.3)
        brush.polygon([*peaks, (1.1, 0.7), (-0.1, 0.7)], shade)
    brush.gradient(0.6, 1, [(236, 241, 247), (246, 249, 252), (220, 230, 242)])
    _ridge(brush, rng, 0.62, 0.02, (238, 243, 248))
    _ridge(brush, rng, 0.78, 0.018, (246, 249, 252))
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
        brush.ellipse((x, y), (size, size), (236, 238, 255, rng.randint(130, 255)))
    x, y = rng.uniform(0.08, 0.92), rng.uniform(0.09, 0.13)
    for radius, alpha in ((0.1, 22), (0.075, 34)):
        brush.ellipse((x, y), (radius, radius), (214, 220, 240, alpha))
    brush.ellipse((x, y), (0.045, 0.045), (216, 220, 234))
    for dx, dy, r in ((-0.015, -0.01, 0.01), (0.016, 0.006, 0.012), (-0.006, 0.02, 0.007)):
        brush.ellipse((x + dx, y + dy), (r, r), (192, 198, 216))
    _ridge(brush, rng, 0.6, 0.035, (34, 38, 78))
    _ridge(brush, rng, 0.68, 0.025, (26, 32, 62))
    _ridge(brush, rng, 0.78, 0.014, (24, 36, 56))
    _ridge(brush, rng, 0.92, 0.012, (16, 26, 42))


def _paint_beach(brush: Brush, rng: Random) -> None:
    brush.gradient(0, 0.46, [(96, 180, 230), (160, 214, 240), (222, 240, 244)])
    _sun(brush, rng, rng.uniform(0.08, 0.16), (255, 252, 234))
    for _ in range(2):
        _cloud(brush, rng, rng.uniform(0.06, 0.24), rng.uniform(0.05, 0.09), (255, 255, 255, 150))
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
