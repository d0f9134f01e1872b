"""Figures of town, field and sky: each a function that draws one kind of thing.

Same units as ``shore_figures``: stands on y = 0, about one unit high, at most one unit wide.
"""

from __future__ import annotations

from math import cos, pi, sin

from triptych.demo.drawings.brush import Brush, Point
from triptych.demo.drawings.tints import GLASS, SLATE, WOOD, Tint


def draw_car(brush: Brush, tint: Tint) -> None:
    """A small car from the side."""
    brush.polygon([(-0.3, 0.34), (-0.18, 0.62), (0.14, 0.62), (0.32, 0.34)], tint.main)
    brush.polygon([(-0.22, 0.36), (-0.14, 0.56), (-0.03, 0.56), (-0.03, 0.36)], GLASS)
    brush.polygon([(0.02, 0.36), (0.02, 0.56), (0.11, 0.56), (0.22, 0.36)], GLASS)
    brush.box((-0.5, 0.1), (0.5, 0.38), tint.main, 0.09)
    brush.box((-0.46, 0.1), (0.46, 0.17), tint.dark)
    for x in (-0.27, 0.27):
        brush.ellipse((x, 0.1), (0.12, 0.12), SLATE)
        brush.ellipse((x, 0.1), (0.055, 0.055), GLASS)


def draw_bus(brush: Brush, tint: Tint) -> None:
    """A tall double-decker bus from the side: two rows of windows."""
    brush.box((-0.5, 0.1), (0.5, 1.0), tint.main, 0.07)
    for x in (-0.43, -0.2, 0.03, 0.26):
        brush.box((x, 0.7), (x + 0.17, 0.88), GLASS)
        if x < 0.2:
            brush.box((x, 0.36), (x + 0.17, 0.54), GLASS)
    brush.box((0.28, 0.14), (0.42, 0.54), SLATE)
    brush.box((-0.5, 0.14), (0.26, 0.22), tint.dark)
    for x in (-0.27, 0.27):
        brush.ellipse((x, 0.1), (0.115, 0.115), SLATE)
        brush.ellipse((x, 0.1), (0.05, 0.05), GLASS)


def draw_house(brush: Brush, tint: Tint) -> None:
    """A cottage: gabled roof, chimney, door and two windows."""
    brush.box((0.2, 0.7), (0.32, 1.0), SLATE)
    brush.box((-0.38, 0), (0.38, 0.58), tint.main)
    brush.polygon([(-0.5, 0.54), (0.5, 0.54), (0, 1.05)], tint.dark)
    brush.box((-0.09, 0), (0.09, 0.34), SLATE)
    for x in (-0.3, 0.15):
        brush.box((x, 0.24), (x + 0.15, 0.42), GLASS)


def draw_flag(brush: Brush, tint: Tint) -> None:
    """A large waving flag on a pole."""
    brush.line([(-0.36, 0), (-0.36, 1.2)], SLATE, 0.055)
    brush.ellipse((-0.36, 1.2), (0.05, 0.05), SLATE)
    xs = [i / 12 for i in range(13)]
    wave = [(-0.33 + 0.8 * x, 0.06 * sin(2 * pi * x)) for x in xs]
    cloth = [(x, 1.12 + y) for x, y in wave] + [(x, 0.56 + y) for x, y in reversed(wave)]
    brush.polygon(cloth, tint.main)
    fold: list[Point] = [(x, 1.12 + y) for x, y in wave[5:9]]
    brush.polygon(fold + [(x, 0.56 + y) for x, y in reversed(wave[5:9])], tint.dark)


def draw_flower(brush: Brush, tint: Tint) -> None:
    """A big blossom of eight petals on a dark stem with two leaves."""
    stem = (28, 74, 44)
    brush.line([(0, 0), (0, 0.5)], stem, 0.06)
    for side in (-1, 1):
        brush.polygon([(0, 0.08), (side * 0.16, 0.3), (side * 0.3, 0.3), (side * 0.18, 0.12)], stem)
    for i in range(8):
        angle = pi * i / 4 + pi / 8
        centre = (0.26 * cos(angle), 0.74 + 0.26 * sin(angle))
        brush.ellipse(centre, (0.14, 0.14), tint.main if i % 2 else tint.light)
    brush.ellipse((0, 0.74), (0.2, 0.2), tint.main)
    brush.ellipse((0, 0.74), (0.12, 0.12), SLATE)


def draw_mushroom(brush: Brush, tint: Tint) -> None:
    """A toadstool: a coloured cap with pale dots on a pale stem."""
    pale = (238, 226, 206)
    brush.polygon([(-0.13, 0.5), (0.13, 0.5), (0.18, 0.0), (-0.18, 0.0)], pale)
    brush.ellipse((0, 0), (0.18, 0.05), pale)
    brush.pie((0, 0.42), (0.5, 0.54), 180, 360, tint.main)
    brush.ellipse((0, 0.42), (0.5, 0.07), tint.dark)
    for x, y, r in ((-0.28, 0.6, 0.06), (-0.02, 0.76, 0.08), (0.26, 0.6, 0.065)):
        brush.ellipse((x, y), (r, r), pale)


def draw_tent(brush: Brush, tint: Tint) -> None:
    """A ridge tent from the front with its flaps open."""
    brush.line([(-0.07, 0.98), (0, 0.86), (0.07, 0.98)], WOOD, 0.04)
    brush.polygon([(-0.5, 0), (0.5, 0), (0, 0.9)], tint.main)
    brush.polygon([(0.24, 0), (0.5, 0), (0, 0.9)], tint.dark)
    brush.polygon([(-0.17, 0), (0.17, 0), (0, 0.56)], SLATE)
    brush.polygon([(-0.17, 0), (-0.24, 0), (0, 0.56)], tint.light)


def draw_balloon(brush: Brush, tint: Tint) -> None:
    """A hot-air balloon: a striped envelope over a small basket."""
    for x in (-0.1, 0.1):
        brush.line([(x, 0.12), (x * 2.2, 0.5)], SLATE, 0.022)
    brush.polygon([(-0.32, 0.55), (0.32, 0.55), (0.12, 0.27), (-0.12, 0.27)], tint.main)
    brush.ellipse((0, 0.76), (0.44, 0.44), tint.main)
    brush.ellipse((0, 0.76), (0.27, 0.44), tint.dark)
    brush.ellipse((0, 0.76), (0.13, 0.44), tint.main)
    brush.box((-0.12, 0), (0.12, 0.16), WOOD, 0.03)


def draw_sled(brush: Brush, tint: Tint) -> None:
    """A sledge from the side: thick seat on curled runners, with a pull rope."""
    curl = [(0.4 + 0.13 * sin(pi * i / 8), 0.16 - 0.13 * cos(pi * i / 8)) for i in range(9)]
    runner = [(-0.5, 0.03), (0.3, 0.03), *curl]
    for x in (-0.3, 0.18):
        brush.line([(x, 0.03), (x, 0.3)], tint.dark, 0.07)
    brush.line(runner, tint.dark, 0.065)
    brush.line([(0.4, 0.29), (0.34, 0.5)], SLATE, 0.03)
    brush.box((-0.46, 0.25), (0.36, 0.48), tint.main, 0.05)
    brush.polygon([(-0.46, 0.3), (-0.2, 0.46), (-0.4, 0.52), (-0.5, 0.72), (-0.56, 0.7)], tint.main)
    brush.box((-0.4, 0.31), (0.3, 0.37), tint.light)


def draw_gift(brush: Brush, tint: Tint) -> None:
    """A gift box with lid, dark ribbon and bow."""
    brush.box((-0.38, 0), (0.38, 0.54), tint.main)
    brush.box((-0.44, 0.5), (0.44, 0.68), tint.light)
    brush.box((-0.07, 0), (0.07, 0.68), SLATE)
    for side in (-1, 1):
        brush.polygon([(0, 0.68), (side * 0.26, 0.92), (side * 0.3, 0.72)], SLATE)


def draw_rocket(brush: Brush, tint: Tint) -> None:
    """A rocket on a pale jet: pointed body, porthole, fins."""
    brush.polygon([(-0.13, 0.24), (0.13, 0.24), (0.0, -0.12)], (255, 244, 214))
    for side in (-1, 1):
        brush.polygon(
            [(side * 0.16, 0.6), (side * 0.4, 0.32), (side * 0.38, 0.14), (side * 0.12, 0.26)], tint.dark
        )
    body: list[Point] = [(0.21 * sin(pi * i / 10) ** 0.8, 0.2 + 0.11 * i) for i in range(2, 11)]
    brush.polygon([*body, *[(-x, y) for x, y in reversed(body)]], tint.main)
    brush.polygon(
        [(x, y) for x, y in body if y > 1.0] + [(-x, y) for x, y in reversed(body) if y > 1.0], tint.dark
    )
    brush.ellipse((0, 0.8), (0.1, 0.1), SLATE)
    brush.ellipse((0, 0.8), (0.07, 0.07), GLASS)


def draw_lantern(brush: Brush, tint: Tint) -> None:
    """A glowing paper lantern hanging from a hooked post."""
    brush.line([(0.42, 0), (0.42, 1.16), (0, 1.16), (0, 1.0)], (128, 130, 146), 0.05)
    for radius in (0.52, 0.47, 0.42):
        brush.ellipse((-0.02, 0.62), (radius, radius), (255, 240, 200, 18))
    brush.ellipse((-0.02, 0.62), (0.36, 0.34), tint.main)
    for rx in (0.22, 0.07):
        brush.ellipse((-0.02, 0.62), (rx, 0.34), tint.light if rx > 0.1 else tint.main)
    brush.box((-0.18, 0.9), (0.14, 0.99), SLATE)
    brush.box((-0.18, 0.25), (0.14, 0.34), SLATE)
    for x in (-0.1, -0.02, 0.06):
        brush.line([(x, 0.25), (x, 0.1)], tint.main, 0.03)
