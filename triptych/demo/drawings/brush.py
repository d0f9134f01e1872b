"""Drawing in a unit system of one's own: the layer between shapes and Pillow.

Comes in: shapes in local coordinates. Goes out: pixels on the canvas. Not its job: what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int] | tuple[int, int, int, int]
"""Red, green, blue (0-255), and optionally opacity (0-255)."""
Point = tuple[float, float]
"""A point in a brush's own coordinates."""


class Brush:
    """Draws on ``image`` in coordinates where (0, 0) is ``origin_px`` and 1 is ``scale_px``.

    A negative scale mirrors the axis: figures stand on y = 0 and grow upwards. Line widths
    are in units of the x axis, and never thinner than one pixel.
    """

    def __init__(self, image: Image.Image, origin_px: Point, scale_px: Point) -> None:
        self.image = image
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._x_px, self._y_px = origin_px
        self._width_px, self._height_px = scale_px

    @property
    def aspect(self) -> float:
        """Pixels per x unit over pixels per y unit."""
        return abs(self._width_px / self._height_px)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill the shape with corners ``points``."""
        self._draw.polygon([self._to_px(point) for point in points], fill=fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a line through ``points`` with round joints."""
        width_px = max(1, round(abs(self._width_px) * width))
        joint = "curve" if len(points) > 2 and width_px > 2 else None
        self._draw.line([self._to_px(point) for point in points], fill, width_px, joint)

    def ellipse(self, centre: Point, radius: Point, fill: Colour) -> None:
        """Fill the ellipse around ``centre``."""
        self._draw.ellipse(self._corners(centre, radius), fill=fill)

    def disc(self, centre: Point, radius: float, fill: Colour) -> None:
        """Fill a circle that stays round whatever the axes; ``radius`` in the smaller axis's units."""
        smaller_px = min(abs(self._width_px), abs(self._height_px))
        rx, ry = smaller_px / abs(self._width_px), smaller_px / abs(self._height_px)
        self._draw.ellipse(self._corners(centre, (radius * rx, radius * ry)), fill=fill)

    def pie(self, centre: Point, radius: Point, start: float, end: float, fill: Colour) -> None:
        """Fill the slice from ``start`` to ``end`` (degrees, clockwise on the canvas from 3 o'clock)."""
        self._draw.pieslice(self._corners(centre, radius), start, end, fill=fill)

    def box(self, corner: Point, opposite: Point, fill: Colour, radius: float = 0.0) -> None:
        """Fill the upright rectangle between two corners, rounded by ``radius`` (x units)."""
        (x1, y1), (x2, y2) = self._to_px(corner), self._to_px(opposite)
        box_px = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        if radius:
            self._draw.rounded_rectangle(box_px, radius * abs(self._width_px), fill=fill)
        else:
            self._draw.rectangle(box_px, fill=fill)

    def gradient(self, top: float, bottom: float, stops: Sequence[Colour]) -> None:
        """Fill the full canvas width between two heights with evenly spaced colour ``stops``."""
        y1, y2 = round(self._to_px((0, top))[1]), round(self._to_px((0, bottom))[1])
        rows = np.linspace(0.0, len(stops) - 1.0, max(1, y2 - y1))
        knots = np.arange(len(stops))
        column = np.stack([np.interp(rows, knots, [s[c] for s in stops]) for c in range(3)], axis=1)
        strip = Image.fromarray(column[:, None, :].round().astype(np.uint8))
        self.image.paste(strip.resize((self.image.width, strip.height)), (0, y1))

    def _to_px(self, point: Point) -> Point:
        return (
            self._x_px + point[0] * self._width_px,
            self._y_px + point[1] * self._height_px,
        )

    def _corners(self, centre: Point, radius: Point) -> tuple[float, float, float, float]:
        x, y = self._to_px(centre)
        rx, ry = abs(radius[0] * self._width_px), abs(radius[1] * self._height_px)
        return (x - rx, y - ry, x + rx, y + ry)


def blend(colour: Colour, towards: Colour, share: float) -> Colour:
    """``colour`` moved towards another by ``share`` (0 to 1); opaque."""
    r, g, b = (round(c + (t - c) * share) for c, t in zip(colour[:3], towards[:3], strict=True))
    return (r, g, b)
