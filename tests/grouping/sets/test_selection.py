"""Which sets are kept if fewer are wanted."""

from __future__ import annotations

from collections import Counter

from triptych.grouping.config import SetsConfig
from triptych.grouping.sets.selection import sizes_of, subsample
from triptych.records import ImageSet, set_id


def _sets(size: int, count: int, likeness: float, region: str = "a") -> list[ImageSet]:
    return [
        ImageSet(
            id=set_id([f"{region}{size}{likeness}{number}"]),
            keys=tuple(f"{region}{size}{likeness}{number}-{at}" for at in range(size)),
            min_cosine_similarity=0.8,
            mean_cosine_similarity=0.8,
            likeness=likeness,
        )
        for number in range(count)
    ]


def test_kept_sets_have_the_wanted_sizes() -> None:
    """Nine in ten sets are pairs, but of the 100 kept, 40, 30, 20 and 10 have 2, 3, 4 and 5 images."""
    sets = _sets(2, 900, 0.8) + _sets(3, 50, 0.8) + _sets(4, 30, 0.8) + _sets(5, 20, 0.8)

    kept = subsample(sets, 100, lambda _: 0, SetsConfig())

    assert {2: 40, 3: 30, 4: 20, 5: 10} == Counter(len(each.keys) for each in kept)


def test_sets_of_a_rare_size_are_replaced_by_smaller_then_larger_ones() -> None:
    """The total is always as wanted, if there are enough sets."""
    even = SetsConfig(size_weights=(1, 1, 1, 1))

    assert {5: 0, 4: 5, 3: 55, 2: 40} == sizes_of({2: 900, 3: 80, 4: 5, 5: 0}, 100, SetsConfig())
    assert {4: 90, 2: 10} == sizes_of({2: 10, 4: 500}, 100, even)
    assert {3: 4, 2: 2} == sizes_of({2: 2, 3: 4}, 100, even)


def test_the_half_of_higher_likeness_comes_first_in_every_size() -> None:
    """Sets of three below the median likeness are kept only if no others are left, highest likeness first."""
    sets = _sets(2, 100, 0.9) + _sets(3, 20, 0.9) + _sets(3, 40, 0.5) + _sets(3, 40, 0.6) + _sets(3, 40, 0.4)
    threes = SetsConfig(size_weights=(0, 1, 0, 0))

    twenty, thirty = (subsample(sets, wanted, lambda _: 0, threes) for wanted in (20, 30))

    assert {(3, 0.9): 20} == Counter((len(each.keys), each.likeness) for each in twenty)
    assert {(3, 0.9): 20, (3, 0.6): 10} == Counter((len(each.keys), each.likeness) for each in thirty)


def test_each_size_covers_the_corpus() -> None:
    """Sets of three come from two regions in turn, though one region has ten times as many."""
    sets = _sets(3, 100, 0.9, "a") + _sets(3, 10, 0.9, "b")

    kept = subsample(sets, 20, lambda key: "ab".index(key[0]), SetsConfig())

    assert {"a": 10, "b": 10} == Counter(each.keys[0][0] for each in kept)
