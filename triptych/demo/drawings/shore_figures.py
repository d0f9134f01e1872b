"""Figures of water and shore: each a function that draws one kind of thing.

A figure stands on y = 0, grows to about y = 1 (towers to 1.3), is centred on x = 0 and at
most one unit wide. Its tint covers most of it, so that its colour is never in doubt.
"""

from __future__ import annotations

from math import cos, pi, sin

from triptych.demo.drawings.brush import Brush
from triptych.demo.drawings.tints import GLASS, SLATE, WOOD, Tint


def draw_sailboat(brush: Brush, tint: Tint) -> None:
    """Two sails over a hull."""
    brush.line([(-0.02, 0.1), (-0.02, 1.12)], WOOD, 0.035)
    brush.polygon([(0.02, 0.3), (0.02, 1.08), (0.2, 0.66), (0.42, 0.3)], tint.main)
    brush.polygon([(-0.06, 0.3), (-0.06, 0.98), (-0.22, 0.62), (-0.36, 0.3)], tint.light)
    brush.polygon([(-0.48, 0.22), (0.5, 0.22), (0.34, -0.02), (-0.34, -0.02)], tint.main)
    brush.polygon([(-0.38, 0.05), (0.387, 0.05), (0.34, -0.02), (-0.34, -0.02)], tint.dark)
    brush.line([(-0.48, 0.22), (0.5, 0.22)], WOOD, 0.03)


def draw_ship(brush: Brush, tint: Tint) -> None:
    """A steamer: long hull, cabin with portholes, two funnels, smoke."""
    for x, y, r in ((-0.3, 0.94, 0.07), (-0.42, 1.04, 0.09)):
        brush.ellipse((x, y), (r, r), (236, 236, 240, 150))
    for x in (-0.22, 0.08):
        brush.box((x, 0.5), (x + 0.14, 0.86), tint.main)
        brush.box((x, 0.76), (x + 0.14, 0.86), SLATE)
    brush.box((-0.34, 0.32), (0.3, 0.58), tint.light, 0.03)
    hull = [(-0.5, 0.36), (0.52, 0.4), (0.36, -0.04), (-0.4, -0.04)]
    brush.polygon(hull, tint.main)
    brush.polygon([(-0.43, 0.08), (0.405, 0.08), (0.36, -0.04), (-0.4, -0.04)], tint.dark)
    for x in (-0.3, -0.13, 0.04, 0.21):
        brush.ellipse((x, 0.22), (0.045, 0.045), SLATE)


def draw_lighthouse(brush: Brush, tint: Tint) -> None:
    """A tapering tower on a grey rock, with a lamp room."""
    brush.polygon(
        [(-0.46, -0.05), (-0.36, 0.08), (-0.2, 0.15), (0.2, 0.14), (0.38, 0.06), (0.46, -0.05)],
        (112, 116, 124),
    )
    brush.polygon([(-0.22, 0.12), (0.22, 0.12), (0.14, 0.95), (-0.14, 0.95)], tint.main)
    brush.polygon([(0.08, 0.12), (0.22, 0.12), (0.14, 0.95), (0.05, 0.95)], tint.dark)
    brush.box((-0.2, 0.93), (0.2, 0.99), SLATE)
    brush.box((-0.1, 0.99), (0.1, 1.15), GLASS)
    brush.line([(0, 0.99), (0, 1.15)], SLATE, 0.025)
    brush.polygon([(-0.16, 1.14), (0.16, 1.14), (0, 1.32)], tint.main)
    brush.box((-0.05, 0.12), (0.05, 0.28), SLATE, 0.02)
    brush.box((-0.035, 0.6), (0.035, 0.7), SLATE)


def draw_whale(brush: Brush, tint: Tint) -> None:
    """A round whale with its tail up and a fountain of water."""
    spray = (226, 242, 252)
    for x in (-0.36, -0.04):
        brush.line([(-0.2, 0.56), (x / 2 - 0.1, 0.8), (x, 0.72)], spray, 0.045)
    tail = [(0.2, 0.2), (0.34, 0.3), (0.38, 0.55), (0.46, 0.55), (0.48, 0.2), (0.3, 0)]
    brush.polygon(tail, tint.main)
    brush.polygon([(0.42, 0.5), (0.24, 0.62), (0.24, 0.74), (0.42, 0.64)], tint.main)
    brush.polygon([(0.42, 0.5), (0.52, 0.62), (0.53, 0.76), (0.42, 0.64)], tint.main)
    brush.pie((0, 0.0), (0.5, 0.56), 180, 360, tint.main)
    brush.pie((-0.06, 0.0), (0.42, 0.17), 180, 360, tint.light)
    brush.ellipse((-0.3, 0.24), (0.04, 0.045), SLATE)


def draw_umbrella(brush: Brush, tint: Tint) -> None:
    """A wide open umbrella with panels, on a pole."""
    brush.line([(0, 0), (0, 0.6)], WOOD, 0.05)
    brush.pie((0, 0.5), (0.5, 0.54), 180, 360, tint.dark)
    brush.pie((0, 0.5), (0.34, 0.54), 180, 360, tint.main)
    brush.pie((0, 0.5), (0.12, 0.54), 180, 360, tint.light)
    for x in (-0.42, -0.23, 0, 0.23, 0.42):
        brush.ellipse((x, 0.5), (0.09 if abs(x) > 0.3 else 0.115, 0.045), tint.dark)
    brush.line([(0, 1.02), (0, 1.1)], WOOD, 0.045)


def draw_bucket(brush: Brush, tint: Tint) -> None:
    """A pail with a rim and a raised handle."""
    arch = [(0.36 * cos(pi * i / 12), 0.66 + 0.36 * sin(pi * i / 12)) for i in range(13)]
    brush.line(arch, SLATE, 0.045)
    brush.polygon([(-0.4, 0.68), (0.4, 0.68), (0.27, 0), (-0.27, 0)], tint.main)
    brush.polygon([(0.16, 0.68), (0.4, 0.68), (0.27, 0), (0.11, 0)], tint.dark)
    brush.ellipse((0, 0), (0.27, 0.05), tint.main)
    brush.box((-0.44, 0.62), (0.44, 0.74), tint.light, 0.05)


def draw_crab(brush: Brush, tint: Tint) -> None:
    """A crab from the front: raised claws, eyes on stalks, six legs."""
    for side in (-1, 1):
        for x, y in ((0.48, 0.1), (0.42, 0.02), (0.32, -0.03)):
            brush.line([(side * 0.22, 0.24), (side * x, y + 0.16), (side * x, y)], tint.dark, 0.05)
        brush.line([(side * 0.24, 0.36), (side * 0.42, 0.46), (side * 0.4, 0.6)], tint.main, 0.08)
        brush.ellipse((side * 0.37, 0.74), (0.14, 0.17), tint.main)
        brush.polygon([(side * 0.37, 0.72), (side * 0.3, 0.95), (side * 0.44, 0.95)], SLATE)
        brush.line([(side * 0.1, 0.4), (side * 0.11, 0.62)], tint.main, 0.04)
        brush.ellipse((side * 0.11, 0.64), (0.055, 0.055), SLATE)
    brush.ellipse((0, 0.28), (0.34, 0.24), tint.main)
    brush.ellipse((0, 0.34), (0.24, 0.13), tint.light)
    brush.line([(-0.1, 0.18), (0, 0.14), (0.1, 0.18)], SLATE, 0.03)


def draw_kite(brush: Brush, tint: Tint) -> None:
    """A flying diamond with a cross inside and a tail with bows."""
    tail = [(0.04 * sin(i), 0.3 - 0.075 * i) for i in range(7)]
    brush.line(tail, SLATE, 0.025)
    for i in (2, 4, 6):
        x, y = tail[i]
        brush.polygon([(x - 0.09, y + 0.05), (x - 0.09, y - 0.05), (x, y)], tint.dark)
        brush.polygon([(x + 0.09, y + 0.05), (x + 0.09, y - 0.05), (x, y)], tint.dark)
    top, right, low, left = (0.0, 1.1), (0.4, 0.74), (0.0, 0.26), (-0.4, 0.74)
    brush.polygon([top, right, low, left], tint.main)
    brush.polygon([top, right, (0, 0.74)], tint.light)
    brush.polygon([low, left, (0, 0.74)], tint.dark)
    brush.line([top, low], SLATE, 0.02)
    brush.line([left, right], SLATE, 0.02)
