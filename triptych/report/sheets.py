"""Sets in words: why each image joined, and why the nearest one did not.

Comes in: cosines and the band. Goes out: one line an image. The words say only what the cosines say,
so they hold whichever way the sets were made. Not its job: measuring (see nearness).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triptych.report.nearness import Outsider


def why_joined(cosines: NDArray[np.float32]) -> list[str]:
    """One line an image, from ``float32[n, n]``: the closest pair began, then the best worst tie each time.

    This is the order in which a set grows from its closest pair when the next image is always the one
    whose least cosine to those before is greatest.
    """
    count = len(cosines)
    lines = [""] * count
    if count < 2:
        return lines
    pairs = np.where(np.triu(np.ones((count, count), bool), k=1), cosines, -np.inf)
    first, second = map(int, np.unravel_index(int(np.argmax(pairs)), pairs.shape))
    lines[first] = f"closest pair, with {second + 1}: {cosines[first, second]:.3f}"
    lines[second] = f"closest pair, with {first + 1}: {cosines[first, second]:.3f}"
    members = [first, second]
    while len(members) < count:
        rest = [at for at in range(count) if at not in members]
        joins = max(rest, key=lambda at: (float(cosines[at, members].min()), -at))
        weakest = min(members, key=lambda at: (float(cosines[joins, at]), at))
        lines[joins] = f"at least {cosines[joins, weakest]:.3f} to those before (weakest to {weakest + 1})"
        members.append(joins)
    return lines


def why_left_out(
    outsider: Outsider, related: float | None, duplicate: float | None, own_set: str | None
) -> str:
    """One line. ``own_set`` is the set that the image is in, if it is in one."""
    weakest, closest = float(outsider.cosines.min()), float(outsider.cosines.max())
    at = int(outsider.cosines.argmin()) + 1
    home = f"; it is in {own_set}" if own_set else ""
    if related is not None and weakest < related:
        return f"{weakest:.3f} to image {at}, below the band, which begins at {related:g}{home}"
    if duplicate is not None and closest >= duplicate:
        return f"{closest:.3f} to image {int(outsider.cosines.argmax()) + 1}, as near as a duplicate{home}"
    if own_set:
        return f"at least {weakest:.3f} to every image: it would fit, but {own_set} has it"
    return f"at least {weakest:.3f} to every image: it would fit, and is in no set"


def matrix(cosines: NDArray[np.float32]) -> list[list[float]]:
    """Rows for the page, to three digits; the diagonal is exactly 1."""
    rounded = np.round(cosines.astype(np.float64), 3)
    np.fill_diagonal(rounded, 1.0)
    return [[float(value) for value in row] for row in rounded]
