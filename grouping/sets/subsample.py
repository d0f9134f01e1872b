"""Which sets are kept where fewer are wanted than were found.

Comes in: sets, the cell of each image. Goes out: sets from all over the corpus. Each cell of the
similarity space gives one set in turn, so a cell with ten times the images of another does not give
ten times the sets. Inside a cell a hash decides. Not its job: making sets (see packing).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from triptych.records import ImageSet


def subsample(sets: Sequence[ImageSet], wanted: int, cell_of: Callable[[str], int]) -> list[ImageSet]:
    """``wanted`` of ``sets``, in their order. ``cell_of`` gives the cell of an image key."""
    turns: list[tuple[int, str]] = []
    given: Counter[int] = Counter()
    for image_set in sorted(sets, key=lambda each: each.id):  # an id is a hash
        cell = cell_of(image_set.keys[0])
        turns.append((given[cell], image_set.id))
        given[cell] += 1
    kept = {identifier for _, identifier in sorted(turns)[:wanted]}
    return [image_set for image_set in sets if image_set.id in kept]
