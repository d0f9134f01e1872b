"""Selects which sets to keep if fewer are wanted than there are.

Comes in: sets of related images, the wanted number. Goes out: that many of them, spread over the corpus, in
the wanted sizes, the most certain ones first. Not its job: making sets (see packing).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from triptych.grouping.config import SetsConfig
from triptych.records import ImageSet


def subsample(
    sets: Sequence[ImageSet], wanted: int, cell_of: Callable[[str], int], config: SetsConfig
) -> list[ImageSet]:
    """``wanted`` of ``sets``, in their order. ``cell_of`` maps a key to its cell.

    Sizes are divided by the config's weights; if there are too few sets of a size, smaller ones make up for
    it, then larger ones. Within a size, sets with at least the median likeness of all come first, as equals;
    the others follow, highest likeness first. Among equals, cells of the similarity space take turns, so that
    dense cells don't dominate; within a cell, a hash decides.
    """
    usual = median([each.likeness or 0.0 for each in sets]) if sets else 0.0
    of_size: dict[int, list[tuple[float, int, str]]] = {}
    turns: Counter[tuple[int, float, int]] = Counter()
    for each in sorted(sets, key=lambda each: each.id):  # an id is a hash
        size, unlikeness = len(each.keys), -min(each.likeness or 0.0, usual)
        cell = size, unlikeness, cell_of(each.keys[0])
        of_size.setdefault(size, []).append((unlikeness, turns[cell], each.id))
        turns[cell] += 1
    kept: set[str] = set()
    available = {size: len(ranked) for size, ranked in of_size.items()}
    for size, count in sizes_of(available, wanted, config).items():
        kept |= {set_id for *_, set_id in sorted(of_size[size])[:count]}
    return [each for each in sets if each.id in kept]


def sizes_of(available: dict[int, int], wanted: int, config: SetsConfig) -> dict[int, int]:
    """How many sets of each size to take for ``wanted`` in all, given the numbers ``available`` by size.

    >>> sizes_of({2: 900, 3: 80, 4: 5, 5: 0}, 100, SetsConfig())
    {5: 0, 4: 5, 3: 55, 2: 40}
    """
    weights = dict(enumerate(config.weight_of_sizes(), config.min_images))
    sizes = sorted(available, reverse=True)
    total, cumulative, counts, missing = sum(weights.values()), 0, {}, 0
    for size in sorted(weights, reverse=True):
        cumulative += weights[size]
        quota = wanted * cumulative // total - wanted * (cumulative - weights[size]) // total + missing
        counts[size] = min(quota, available.get(size, 0))
        missing = quota - counts[size]
    for size in reversed(sizes):  # if even the smallest are too few
        more = min(missing, available[size] - counts[size])
        counts[size] += more
        missing -= more
    return {size: counts[size] for size in sizes}
