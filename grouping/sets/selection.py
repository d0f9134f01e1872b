"""Which sets stay where fewer are wanted than there are.

Comes in: sets of related images, how many are wanted. Goes out: as many of them, from all over the corpus, of
the sizes that are wanted, the surer ones first. Not its job: making sets (see packing).
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
    """``wanted`` of ``sets``, in their order. ``cell_of`` gives a key's cell.

    Sizes are shared out by the config's weights; where there are too few of one, smaller ones fill up, then
    larger ones. Of a size come those first that are of the surer half of all sets (see ImageSet.likeness),
    then the others, the most alike first.
    Each cell of the similarity space gives one set in turn, so a cell with ten times the images of another
    does not give ten times the sets. Inside a cell a hash decides.
    """
    usual = median([each.likeness or 0.0 for each in sets]) if sets else 0.0
    of_size: dict[int, list[tuple[float, int, str]]] = {}
    given: Counter[tuple[int, float, int]] = Counter()
    for each in sorted(sets, key=lambda each: each.id):  # an id is a hash
        place = len(each.keys), -min(each.likeness or 0.0, usual), cell_of(each.keys[0])
        of_size.setdefault(place[0], []).append((place[1], given[place], each.id))
        given[place] += 1
    kept: set[str] = set()
    for size, count in sizes_of(
        {size: len(turns) for size, turns in of_size.items()}, wanted, config
    ).items():
        kept |= {identifier for *_, identifier in sorted(of_size[size])[:count]}
    return [each for each in sets if each.id in kept]


def sizes_of(there: dict[int, int], wanted: int, config: SetsConfig) -> dict[int, int]:
    """How many sets of each size make ``wanted``, of those that are ``there`` by size.

    >>> sizes_of({2: 900, 3: 80, 4: 5, 5: 0}, 100, SetsConfig())
    {5: 0, 4: 5, 3: 55, 2: 40}
    """
    weights = dict(enumerate(config.weight_of_sizes(), config.min_images))
    sizes = sorted(there, reverse=True)
    total, shared, counts, missing = sum(weights.values()), 0, {}, 0
    for size in sorted(weights, reverse=True):
        shared += weights[size]
        quota = wanted * shared // total - wanted * (shared - weights[size]) // total + missing
        counts[size] = min(quota, there.get(size, 0))
        missing = quota - counts[size]
    for size in reversed(sizes):  # where even the smallest are too few
        more = min(missing, there[size] - counts[size])
        counts[size] += more
        missing -= more
    return {size: counts[size] for size in sizes}
