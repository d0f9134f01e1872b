"""A made-up corpus of embeddings with planted groups, duplicates, chains and unrelated images.

Comes in: how many images, a seed. Goes out: ``float16[n, dim]`` rows in random order, and the truth
about each. Themes are centres on the sphere, in families whose centres are near each other, so that
an image of one theme can lie near one of a sister theme. Theme sizes follow a power law. All images
also share one direction, as CLIP embeddings do: random pairs have a cosine of about 0.3.

The resulting cosines at 512 dimensions (asserted by tests/grouping/test_made_up_corpus.py): within a
theme about 0.80, between sister themes about 0.62, random 0.3, duplicates above 0.97; neighbours in a
chain about 0.85, falling with every further step.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 512
SHARED = 0.30
"""The part of a row's squared length that all images share. FAMILY and THEME include it in the same way."""
FAMILY = 0.60
THEME = 0.80

CHAINED_SHARE = 0.03
DUPLICATE_SHARE = 0.05
STRANGER_SHARE = 0.10
CHAIN_LENGTH = 24
CHAIN_STEP_COSINE = 0.85
DUPLICATE_NOISE = 0.15
"""The length of the noise that is added to a copy of length 1."""
POWER = 1.4
"""Theme sizes are drawn with probability size ** -POWER."""
LARGEST_THEME = 2_000
SPECTRUM_KNEE, SPECTRUM_SLOPE = 5, -0.8
"""Dimension j has a standard deviation of (j + knee) ** slope: about 30 dimensions matter."""
THEMES_PER_FAMILY = 6

THEME_KIND, CHAIN_KIND, STRANGER_KIND = 0, 1, 2


class MadeUpCorpus(NamedTuple):
    """For each row: kind, group (theme, chain or itself), place in a chain, and the row it copies, or -1."""

    rows: NDArray[np.float16]
    kind: NDArray[np.int8]
    group: NDArray[np.int32]
    step: NDArray[np.int16]
    copy_of: NDArray[np.int32]

    def are_related(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether pairs were planted as related: of one theme, or at most one step apart in a chain."""
        near = np.abs(self.step[left].astype(int) - self.step[right]) <= 1
        return (self.group[left] == self.group[right]) & near

    def are_copies(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether pairs are copies of one image."""
        origin = np.where(self.copy_of >= 0, self.copy_of, np.arange(len(self.copy_of)))
        return np.asarray(origin[left] == origin[right])


def make_corpus(images: int, seed: int = 0, dimensions: int = DIMENSIONS) -> MadeUpCorpus:
    """A corpus of ``images`` rows, made in blocks: memory holds the float16 rows and little more."""
    rng = np.random.default_rng(seed)
    copies = int(images * DUPLICATE_SHARE)
    chained = int(images * CHAINED_SHARE) // CHAIN_LENGTH * CHAIN_LENGTH
    strangers = int(images * STRANGER_SHARE)
    themed = images - copies - chained - strangers
    theme_of = _theme_of_each(rng, themed)
    centres = _theme_centres(rng, int(theme_of[-1]) + 1, dimensions)
    shared = _directions(rng, 1, dimensions)[0]
    rows = np.empty((images, dimensions), np.float16)
    for start in range(0, themed, 65_536):
        own = theme_of[start : start + 65_536]
        rows[start : start + len(own)] = _mix(
            SHARED, shared, THEME - SHARED, centres[own], _directions(rng, len(own), dimensions)
        )
    at = themed
    for _ in range(chained // CHAIN_LENGTH):
        rows[at : at + CHAIN_LENGTH] = _chain(rng, shared, dimensions)
        at += CHAIN_LENGTH
    for start in range(0, strangers, 65_536):
        count = min(65_536, strangers - start)
        rows[at : at + count] = _mix(SHARED, shared, 0.0, 0.0, _directions(rng, count, dimensions))
        at += count
    originals = _originals(rng, at, copies)
    for start in range(0, copies, 65_536):
        of = originals[start : start + 65_536]
        noise = DUPLICATE_NOISE * _directions(rng, len(of), dimensions)
        rows[at + start : at + start + len(of)] = _unit(rows[of].astype(np.float32) + noise)
    kind = np.repeat(np.array([THEME_KIND, CHAIN_KIND, STRANGER_KIND], np.int8), [themed, chained, strangers])
    themes = int(theme_of[-1]) + 1
    chains = themes + np.arange(chained) // CHAIN_LENGTH
    alone = themes + chained // CHAIN_LENGTH + np.arange(strangers)
    group = np.concatenate([theme_of, chains, alone]).astype(np.int32)
    step = np.zeros(at, np.int16)
    step[themed : themed + chained] = np.arange(chained) % CHAIN_LENGTH
    copy_of = np.concatenate([np.full(at, -1), originals])
    return _shuffled(
        rng, rows, np.append(kind, kind[originals]), np.append(group, group[originals]),
        np.append(step, step[originals]), copy_of,
    )  # fmt: skip


def _shuffled(
    rng: np.random.Generator,
    rows: NDArray[np.float16],
    kind: NDArray[np.int8],
    group: NDArray[np.int32],
    step: NDArray[np.int16],
    copy_of: NDArray[np.int64],
) -> MadeUpCorpus:
    order = rng.permutation(len(rows))
    place = np.empty(len(rows), np.int32)
    place[order] = np.arange(len(rows), dtype=np.int32)
    moved = np.where(copy_of >= 0, place[copy_of], -1)[order].astype(np.int32)
    return MadeUpCorpus(rows[order], kind[order], group[order], step[order], moved)


def _theme_of_each(rng: np.random.Generator, themed: int) -> NDArray[np.int64]:
    sizes = np.arange(2, LARGEST_THEME + 1)
    chances = sizes**-POWER / (sizes**-POWER).sum()
    drawn = rng.choice(sizes, size=themed // 2 + 1, p=chances)
    return np.repeat(np.arange(len(drawn)), drawn)[:themed]


def _theme_centres(rng: np.random.Generator, themes: int, dimensions: int) -> NDArray[np.float32]:
    """Unit centres. In a family they share the part of their squared length that FAMILY sets."""
    share = (FAMILY - SHARED) / (THEME - SHARED)
    families = _directions(rng, themes // THEMES_PER_FAMILY + 1, dimensions)
    family_of = rng.integers(0, len(families), themes)
    return _unit(
        np.sqrt(share) * families[family_of] + np.sqrt(1 - share) * _directions(rng, themes, dimensions)
    )


def _chain(rng: np.random.Generator, shared: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """CHAIN_LENGTH rows, each at CHAIN_STEP_COSINE to the one before, on a random walk."""
    step = (CHAIN_STEP_COSINE - SHARED) / (1 - SHARED)
    walk = [_directions(rng, 1, dimensions)[0]]
    for direction in _directions(rng, CHAIN_LENGTH - 1, dimensions):
        walk.append(step * walk[-1] + np.sqrt(1 - step**2) * direction)
    return _unit(np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * np.stack(walk))


def _originals(rng: np.random.Generator, candidates: int, copies: int) -> NDArray[np.int64]:
    """The row that each copy copies: half of them have an original of their own, the others share some."""
    alone = rng.choice(candidates, copies // 2, replace=False)
    bunches = rng.choice(candidates, max(1, (copies - len(alone)) // 20), replace=False)
    return np.concatenate([alone, rng.choice(bunches, copies - len(alone))])


def _mix(
    shared_part: float,
    shared: NDArray[np.float32],
    centre_part: float,
    centre: NDArray[np.float32] | float,
    own: NDArray[np.float32],
) -> NDArray[np.float32]:
    own_part = 1 - shared_part - centre_part
    return _unit(np.sqrt(shared_part) * shared + np.sqrt(centre_part) * centre + np.sqrt(own_part) * own)


def _directions(rng: np.random.Generator, count: int, dimensions: int) -> NDArray[np.float32]:
    """Random directions whose variance falls from one dimension to the next, as a trained encoder's does."""
    spread = ((np.arange(dimensions) + SPECTRUM_KNEE) ** SPECTRUM_SLOPE).astype(np.float32)
    return _unit(rng.standard_normal((count, dimensions), np.float32) * spread)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = rows.astype(np.float32, copy=False)
    return rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
