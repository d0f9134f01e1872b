"""The nameable colours of things, as pixels: one main tone each, with a light and a dark one."""

from __future__ import annotations

import msgspec

from triptych.demo.drawings.brush import Colour, blend

MAIN_TONES: dict[str, Colour] = {
    "red": (214, 34, 40),
    "orange": (248, 132, 12),
    "yellow": (253, 218, 36),
    "green": (34, 150, 66),
    "blue": (30, 88, 214),
    "purple": (122, 52, 178),
    "pink": (255, 124, 186),
    "white": (252, 252, 250),
}
"""Main tones, far apart from each other and from every backdrop they are allowed on."""

SLATE: Colour = (52, 56, 72)
GLASS: Colour = (214, 232, 242)
WOOD: Colour = (104, 78, 62)


class Tint(msgspec.Struct, frozen=True):
    """A thing's colour in three tones."""

    main: Colour
    light: Colour
    dark: Colour


def _tint(main: Colour) -> Tint:
    return Tint(main, blend(main, (255, 255, 255), 0.28), blend(main, (52, 22, 52), 0.26))


TINTS: dict[str, Tint] = {name: _tint(main) for name, main in MAIN_TONES.items()}
