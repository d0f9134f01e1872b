"""A horizontal bar chart as an SVG, readable on light and dark pages.

Comes in: names, what each was compared with, values. Goes out: the SVG's text. Not its job: measuring.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from benchmarks.line_plot import GREY, LINE

WIDTH, ROW, TOP, NAMES = 720, 44, 40, 300


def bar_chart(bars: Sequence[tuple[str, str, float]], title: str) -> str:
    """One bar for each (name, note, value); bars start at zero, and a dashed line marks 1."""
    scale = (WIDTH - NAMES - 60) / max(value for _, _, value in bars)
    height = TOP + ROW * len(bars) + 8
    one = NAMES + scale
    drawn = []
    for number, (name, note, value) in enumerate(bars):
        y = TOP + ROW * number
        drawn += [
            f'<text x="{NAMES - 12}" y="{y + 16}" text-anchor="end">{escape(name)}</text>',
            f'<text x="{NAMES - 12}" y="{y + 31}" text-anchor="end" font-size="11" opacity=".75">'
            f"{escape(note)}</text>",
            f'<rect x="{NAMES}" y="{y + 4}" width="{scale * value:.1f}" height="26" rx="3" fill="{LINE}"/>',
            f'<text x="{NAMES + scale * value + 8:.1f}" y="{y + 22}" font-weight="bold">{value:.1f}x</text>',
        ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' font-family="sans-serif" font-size="13" fill="{GREY}">',
            f'<text x="8" y="22" font-size="15">{escape(title)}</text>',
            *drawn,
            f'<path d="M{one:.1f} {TOP - 4}V{height - 8}" stroke="{GREY}" stroke-dasharray="3 3"/>',
            "</svg>\n",
        ]
    )
