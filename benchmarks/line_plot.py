"""A line plot as an SVG, readable on light and dark pages.

Comes in: points, a title, the names of the axes. Goes out: the SVG's text. Not its job: measuring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 720, 280
LEFT, RIGHT, TOP, BOTTOM = 60, 16, 36, 40
GREY, LINE = "#7d8590", "#2f81f7"


def line_plot(points: Sequence[tuple[float, float]], title: str, x_name: str, y_name: str) -> str:
    """A plot of one line; both axes start at zero."""
    most_x = max(x for x, _ in points) or 1.0
    most_y = 1.15 * max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * x / most_x,
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / most_y,
        )

    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    left, bottom = place(0, 0)
    labels: list[str] = []
    for tick in _ticks(most_y):
        _, y = place(0, tick)
        labels.append(f'<path d="M{left} {y:.1f}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-opacity=".25"/>')
        labels.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(most_x):
        x, _ = place(tick, 0)
        labels.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            f' font-family="sans-serif" font-size="12" fill="{GREY}">',
            f'<text x="{left}" y="20" font-size="14">{title}</text>',
            *labels,
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{x_name}</text>',
            f'<text x="8" y="{TOP - 4}">{y_name}</text>',
            f'<polyline points="{drawn}" fill="none" stroke="{LINE}" stroke-width="2"/>',
            "</svg>\n",
        ]
    )


def _ticks(most: float) -> Iterator[float]:
    """About four round numbers from zero to ``most``."""
    step = 1.0
    while most / step > 8:
        step *= 2 if str(step)[0] != "2" else 2.5
    while most / step < 3:
        step /= 2
    tick = 0.0
    while tick <= most:
        yield tick
        tick += step
