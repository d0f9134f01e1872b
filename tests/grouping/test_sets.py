"""Which images make a set."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpus.records import ImageRecord, ImageSet
from grouping.config import SetsConfig
from grouping.duplicates import find_duplicates
from grouping.sets import make_image_sets, set_id
from grouping.vectors import Vectors
from tests.grouping.made_up import as_unit

BAND = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95)


def _at(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors in a plane; the band [0.7, 0.95) is from 18.2 to 45.5 degrees apart."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _keys(count: int) -> list[str]:
    return [f"{number:04d}.jpg" for number in range(count)]


def _clusters(seed: int, clusters: int, most: int, spread: float, dims: int = 8) -> NDArray[np.float32]:
    """Clusters of 1 to ``most`` rows, and a chain of rows 15 degrees apart."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.normal(size=dims) + rng.normal(0, spread, (rng.integers(1, most + 1), dims))
        for _ in range(clusters)
    ]
    chain = np.zeros((12, dims))
    chain[:, 0], chain[:, 1] = np.cos(np.arange(12) * 0.26), np.sin(np.arange(12) * 0.26)
    return as_unit(np.concatenate([*rows, chain]))


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    clusters=st.integers(1, 30),
    most=st.integers(1, 12),
    spread=st.sampled_from([0.02, 0.2, 0.5, 1.0]),
    neighbours=st.sampled_from([1, 5, 32]),
    sizes=st.sampled_from([(2, 5), (2, 2), (3, 5), (4, 4)]),
)
def test_sets_are_disjoint_and_every_pair_lies_in_the_band(
    seed: int, clusters: int, most: int, spread: float, neighbours: int, sizes: tuple[int, int]
) -> None:
    """Whatever the corpus, with chains and duplicates in it, the promises of a set hold."""
    units = _clusters(seed, clusters, most, spread)
    keys = _keys(len(units))
    records = [ImageRecord(key=key, content_hash=key) for key in keys]
    config = SetsConfig(
        related_cosine_similarity=0.7,
        duplicate_cosine_similarity=0.95,
        neighbours=neighbours,
        min_images=sizes[0],
        max_images=sizes[1],
    )
    duplicates, stays = find_duplicates(Vectors(records, units), 0.95)
    sets = make_image_sets([keys[row] for row in stays], units[stays], config)

    cosine = {
        pair: float(units[a].astype(np.float64) @ units[b])
        for pair in combinations(range(len(keys)), 2)
        for a, b in [pair]
    }
    used = Counter(key for each in sets for key in each.keys)
    set_aside = {duplicate.key for duplicate in duplicates}
    assert all(count == 1 for count in used.values())
    assert not used.keys() & set_aside
    for each in sets:
        inside = [cosine[keys.index(a), keys.index(b)] for a, b in combinations(each.keys, 2)]
        assert sizes[0] <= len(each.keys) <= sizes[1]
        assert min(inside) >= 0.7 - 1e-6
        assert max(inside) < 0.95 + 1e-6
        assert each.min_cosine_similarity == pytest.approx(min(inside), abs=1e-5)
        assert each.mean_cosine_similarity == pytest.approx(np.mean(inside), abs=1e-5)
        assert list(each.keys) == sorted(each.keys)
    for duplicate in duplicates:
        pair = tuple(sorted((keys.index(duplicate.key), keys.index(duplicate.of))))
        assert cosine[pair] >= 0.95 - 1e-6
        assert duplicate.of not in set_aside


def test_a_chain_does_not_become_one_set() -> None:
    """Rows 30 degrees apart are related to their neighbours only: pairs, never more."""
    sets = make_image_sets(_keys(6), _at(0, 30, 60, 90, 120, 150), BAND)

    assert sets
    assert all(len(each.keys) == 2 for each in sets)


def test_too_similar_images_make_no_set() -> None:
    """A pair above the duplicate bound is in no set, even where nobody set one of the two aside."""
    assert make_image_sets(_keys(2), _at(0, 5), BAND) == []


def test_the_most_similar_pair_is_joined_first() -> None:
    """Of three in a row, the closer two make the set when sets are pairs."""
    config = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, max_images=2)

    sets = make_image_sets(["a", "b", "c"], _at(0, 40, 60), config)

    assert [each.keys for each in sets] == [("b", "c")]


def test_equal_similarities_are_settled_by_key() -> None:
    """Of four at equal distances the first two and the last two go together."""
    config = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, max_images=2)
    units = as_unit(np.hstack([np.eye(4), np.full((4, 1), 2.0)]))

    sets = make_image_sets(["a", "b", "c", "d"], units, config)

    assert [each.keys for each in sets] == [("a", "b"), ("c", "d")]


def test_sizes_spread_over_the_range_where_enough_images_are_related() -> None:
    """In one big cluster every size from 2 to 5 turns up, 2 most often, 3 on average."""
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(900, 64))
    units = as_unit(
        directions / np.linalg.norm(directions, axis=1, keepdims=True) * 0.35 + np.eye(64)[0] * 0.8
    )

    sizes = Counter(len(each.keys) for each in make_image_sets(_keys(900), units, BAND))

    assert set(sizes) == {2, 3, 4, 5}
    assert sizes[2] > sizes[3] > sizes[4] > sizes[5]
    assert 2.8 < sum(size * count for size, count in sizes.items()) / sizes.total() < 3.2


def test_an_id_is_a_hash_of_the_keys() -> None:
    """So a caption of a set stays valid for as long as the set exists."""
    [image_set] = make_image_sets(["a/1.jpg", "b/2.jpg"], _at(0, 30), BAND)

    expected = hashlib.blake2b(b"a/1.jpg\nb/2.jpg", digest_size=6).hexdigest()
    assert image_set.id == f"set_{expected}" == set_id(["a/1.jpg", "b/2.jpg"])


def test_max_sets_keeps_a_part_of_them_spread_over_the_corpus() -> None:
    """The kept ones are among all, not the first by key nor the most similar; asked again, the same."""
    units = _clusters(seed=4, clusters=80, most=6, spread=0.3)
    every = make_image_sets(_keys(len(units)), units, BAND)

    def keep(count: int) -> list[ImageSet]:
        config = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, max_sets=count)
        return make_image_sets(_keys(len(units)), units, config)

    assert len(every) > 20
    assert len(keep(10)) == 10
    assert keep(10) == keep(10)
    assert {each.id for each in keep(10)} < {each.id for each in every}
    assert keep(10) != every[:10]
    assert {each.id for each in keep(5)} < {each.id for each in keep(10)}
    assert keep(1000) == every
    assert keep(0) == []


def test_sets_are_sorted_and_one_image_makes_none() -> None:
    """By first key; no image and one image are not an error."""
    units = _clusters(seed=6, clusters=20, most=5, spread=0.3)
    sets = make_image_sets(_keys(len(units)), units, BAND)

    assert [each.keys[0] for each in sets] == sorted(each.keys[0] for each in sets)
    assert make_image_sets(["only.jpg"], units[:1], BAND) == []
    assert make_image_sets([], np.zeros((0, 4), np.float32), BAND) == []
