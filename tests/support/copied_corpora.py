"""Embeddings of corpora in which many images have copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.support.made_up import as_unit

THEMES, IN_A_THEME, DIMENSIONS = 60, 10, 128
THEME_COSINE = 0.85
"""Between an image and the centre of its theme. Between two images of a theme it is 0.72."""


class Copied(NamedTuple):
    """``float[n, dim]`` rows. Row i shows image ``origin[i]``; the first ``images`` rows are the images."""

    rows: NDArray[np.float64]
    origin: NDArray[np.int64]
    images: int


def near(rows: NDArray[np.floating], cosine: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """For each of ``rows``, a row at that cosine to it, in a random direction."""
    away = rng.normal(size=rows.shape)
    away -= (away * rows).sum(axis=1, keepdims=True) * rows
    return np.asarray(cosine * rows + np.sqrt(1 - cosine**2) * as_unit(away))


def themes(rng: np.random.Generator, in_a_theme: int = IN_A_THEME) -> NDArray[np.float64]:
    """Images in themes, one theme after another."""
    return near(
        np.repeat(as_unit(rng.normal(size=(THEMES, DIMENSIONS))), in_a_theme, axis=0), THEME_COSINE, rng
    )


def with_copies(share: float, cosine: float, copies_each: int = 1) -> Copied:
    """Themes in which a ``share`` of the images have ``copies_each`` copies at ``cosine``."""
    rng = np.random.default_rng(0)
    images = themes(rng)
    copied = rng.permutation(len(images))[: round(share * len(images))]
    of = np.repeat(copied, copies_each)
    return Copied(
        np.concatenate([images, near(images[of], cosine, rng)]),
        np.append(np.arange(len(images)), of),
        len(images),
    )


def frames(step_cosine: float, each: int) -> Copied:
    """Shots of ``each`` frames, each at ``step_cosine`` to the one before; first frames are the images."""
    rng = np.random.default_rng(1)
    shown = [themes(rng)]
    for _ in range(each - 1):
        shown.append(near(shown[-1], step_cosine, rng))
    return Copied(np.concatenate(shown), np.tile(np.arange(len(shown[0])), each), len(shown[0]))


KINDS: dict[str, Callable[[], Copied]] = {
    **{
        f"{share:.0%} with a near copy": partial(with_copies, share, 0.99)
        for share in (0.0, 0.1, 0.34, 0.5, 0.7, 0.9, 1.0)
    },
    "all with an exact copy": partial(with_copies, 1.0, 1.0),
    "half with five near copies": partial(with_copies, 0.5, 0.99, copies_each=5),
    "one in ten with forty near copies": partial(with_copies, 0.1, 0.99, copies_each=40),
    "shots of 8 frames, 0.995 from frame to frame": partial(frames, 0.995, 8),
    "shots of 30 frames, 0.999 from frame to frame": partial(frames, 0.999, 30),
    "shots of 30 frames, 0.995 from frame to frame": partial(frames, 0.995, 30),
}
"""Makes a corpus with each kind of copies."""


def equal_rows(cosine: float, rows: int = 2_000) -> NDArray[np.float64]:
    """Rows that are all at ``cosine`` to one direction, as if the corpus were of one image."""
    rng = np.random.default_rng(2)
    return near(np.repeat(as_unit(rng.normal(size=(1, DIMENSIONS))), rows, axis=0), cosine, rng)
