"""Which images form a set."""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.made_up import as_unit, at_degrees, group
from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.unit_vectors import as_units
from triptych.grouping.sets.selection import subsample
from triptych.records import ImageSet, set_id

THRESHOLDS = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95)
"""Images from 18.2 to 45.5 degrees apart are related."""

PAIRS_ONLY = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, max_images=2)


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


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32),
    clusters=st.integers(1, 30),
    most=st.integers(1, 12),
    spread=st.sampled_from([0.02, 0.2, 0.5, 1.0]),
    neighbours=st.sampled_from([1, 5, 32]),
    sizes=st.sampled_from([(2, 5), (2, 2), (3, 5), (4, 4)]),
)
def test_sets_are_disjoint_and_every_pair_is_related(
    seed: int, clusters: int, most: int, spread: float, neighbours: int, sizes: tuple[int, int]
) -> None:
    """Whatever the corpus, with chains and duplicates in it, the promises of a set hold."""
    units = _clusters(seed, clusters, most, spread)
    config = SetsConfig(
        related_cosine_similarity=0.7,
        duplicate_cosine_similarity=0.95,
        neighbours=neighbours,
        min_images=sizes[0],
        max_images=sizes[1],
    )
    with tempfile.TemporaryDirectory() as folder:
        grouped = group(units, config, Path(folder))

    stored = as_units(units.astype(np.float16)).astype(np.float64)
    keys = [f"{number:03d}.jpg" for number in range(len(units))]
    number = {key: at for at, key in enumerate(keys)}
    used = Counter(key for each in grouped.sets for key in each.keys)
    set_aside = {duplicate.key for duplicate in grouped.duplicates}
    assert all(count == 1 for count in used.values())
    assert not used.keys() & set_aside
    for each in grouped.sets:
        inside = [stored[number[a]] @ stored[number[b]] for a, b in combinations(each.keys, 2)]
        assert sizes[0] <= len(each.keys) <= sizes[1]
        assert min(inside) >= 0.7 - 1e-6
        assert max(inside) < 0.95 + 1e-6
        assert each.min_cosine_similarity == pytest.approx(min(inside), abs=1e-5)
        assert each.mean_cosine_similarity == pytest.approx(np.mean(inside), abs=1e-5)
    for duplicate in grouped.duplicates:
        assert stored[number[duplicate.key]] @ stored[number[duplicate.of]] >= 0.95 - 1e-6
        assert duplicate.of not in set_aside


def test_a_chain_does_not_become_one_set(tmp_path: Path) -> None:
    """Rows 30 degrees apart are related to their neighbours only, so all sets are pairs."""
    sets = group(at_degrees(0, 30, 60, 90, 120, 150), THRESHOLDS, tmp_path).sets

    assert sets
    assert all(len(each.keys) == 2 for each in sets)


def test_the_most_similar_pair_is_joined_first(tmp_path: Path) -> None:
    """Of three in a row, the closer two form a pair."""
    sets = group(at_degrees(0, 40, 60), PAIRS_ONLY, tmp_path).sets

    assert [{"001.jpg", "002.jpg"}] == [set(each.keys) for each in sets]


def test_ties_are_broken_by_key(tmp_path: Path) -> None:
    """Of four at equal distances, the first two and the last two form sets."""
    units = as_unit(np.hstack([np.eye(4), np.full((4, 1), 2.0)]))

    sets = group(units, PAIRS_ONLY, tmp_path).sets

    assert [("000.jpg", "001.jpg"), ("002.jpg", "003.jpg")] == [each.keys for each in sets]


def test_only_mutual_neighbours_start_a_set(tmp_path: Path) -> None:
    """With one neighbour each, 0 and 20 have each other; 50 has 20, but not the reverse: it stays single."""
    config = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, neighbours=1)

    sets = group(at_degrees(0, 20, 50), config, tmp_path).sets

    assert [{"000.jpg", "001.jpg"}] == [set(each.keys) for each in sets]


def test_an_image_that_would_make_a_set_uneven_stays_out(tmp_path: Path) -> None:
    """A third image joins two others if it is hardly farther from them than they are from each other."""
    three = SetsConfig(
        related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, size_weights=(0, 1, 0, 0)
    )
    close, far = ([[1, 0, 0], _away(20, 0), _away(angle, 60)] for angle in (20, 40))

    [even] = group(as_unit(np.array(close)), three, tmp_path / "even").sets
    [pair] = group(as_unit(np.array(far)), three, tmp_path / "pair").sets
    coverage = msgspec.structs.replace(three, prefer="coverage")
    [filled] = group(as_unit(np.array(far)), coverage, tmp_path / "filled").sets

    assert 3 == len(even.keys)
    assert {"000.jpg", "001.jpg"} == set(pair.keys)
    assert 3 == len(filled.keys)


def _away(degrees: float, direction: float) -> list[float]:
    """The unit vector at ``degrees`` from (1, 0, 0), in that direction."""
    away, turn = np.radians(degrees), np.radians(direction)
    return [np.cos(away), np.sin(away) * np.cos(turn), np.sin(away) * np.sin(turn)]


def test_sets_reach_min_images_even_if_uneven(tmp_path: Path) -> None:
    """With at least three images per set, 0, 20 and 43 degrees form one."""
    three = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, min_images=3)

    [image_set] = group(at_degrees(0, 20, 43), three, tmp_path).sets

    assert 3 == len(image_set.keys)


def test_a_pair_in_a_crowd_is_less_alike_than_a_pair_by_itself(tmp_path: Path) -> None:
    """Of two pairs with the same cosine, the one with other images around it has the lower likeness."""
    crowd = [[1, 0, 0, 0], *([*_away(24, turn), 0] for turn in range(0, 360, 60))]
    alone = [[0, 0, 0, 1.0], [0, 0, np.sin(np.radians(24)), np.cos(np.radians(24))]]

    sets = group(as_unit(np.array([*crowd, *alone])), PAIRS_ONLY, tmp_path).sets
    likeness = {each.keys: each.likeness for each in sets if each.min_cosine_similarity > 0.91}

    assert len(likeness) > 1
    assert max(likeness, key=lambda keys: likeness[keys]) == ("007.jpg", "008.jpg")


def test_likeness_is_one_minus_the_distance_stretched_by_crowding(tmp_path: Path) -> None:
    """30 degrees are a distance of 0.134. One of ten neighbours is related, by 0.166 of at most 0.3."""
    [image_set] = group(at_degrees(0, 30), THRESHOLDS, tmp_path).sets

    assert 1 - 0.134 * (1 - 0.166 / 0.3 / 10) ** -0.8 == pytest.approx(image_set.likeness, abs=1e-3)


def test_a_third_image_may_be_a_fifth_farther_than_the_first_pair(tmp_path: Path) -> None:
    """The first two are 30 degrees apart; 32 degrees from both is within 1.2 times that, 33.5 isn't."""
    three = SetsConfig(
        related_cosine_similarity=0.7, duplicate_cosine_similarity=0.99, size_weights=(0, 1, 0, 0)
    )
    sizes = []
    for angle in (32, 33.5):
        between = np.arccos(np.tan(np.radians(15)) / np.tan(np.radians(angle)))  # at ``angle`` from both
        rows = as_unit(np.array([[1, 0, 0], _away(30, 0), _away(angle, float(np.degrees(between)))]))
        sizes.append([len(each.keys) for each in group(rows, three, tmp_path / f"{angle}").sets])

    assert [[3], [2]] == sizes


def test_two_images_alone_have_to_be_close(tmp_path: Path) -> None:
    """Two at 43 degrees, a cosine of 0.73, form a set only if a third image is related to both."""
    alone = group(at_degrees(0, 43), THRESHOLDS, tmp_path / "alone").sets
    beside = group(at_degrees(0, 43, 21.5), PAIRS_ONLY, tmp_path / "beside").sets

    assert [] == alone
    assert 1 == len(beside)


def test_two_images_alone_are_enough_if_coverage_is_preferred(tmp_path: Path) -> None:
    """At 43 degrees, which is barely related."""
    coverage = msgspec.structs.replace(THRESHOLDS, prefer="coverage")

    assert 1 == len(group(at_degrees(0, 43), coverage, tmp_path).sets)


def test_images_are_ordered_from_the_most_central_one(tmp_path: Path) -> None:
    """Of 0, 20 and 41 degrees, the middle one comes first, followed by the nearest."""
    config = SetsConfig(
        related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, min_images=3, max_images=3
    )

    [image_set] = group(at_degrees(0, 20, 41), config, tmp_path).sets

    assert ("001.jpg", "000.jpg", "002.jpg") == image_set.keys


def test_all_sizes_occur_if_enough_images_are_related(tmp_path: Path) -> None:
    """Of one big cluster, with uneven sets allowed: larger sets are rarer, and the mean is about 3."""
    coverage = msgspec.structs.replace(THRESHOLDS, prefer="coverage")

    sizes = Counter(len(each.keys) for each in group(_one_cluster(900), coverage, tmp_path).sets)

    assert set(sizes) == {2, 3, 4, 5}
    assert sizes[2] > sizes[3] >= sizes[4] > sizes[5]
    assert 2.6 < sum(size * count for size, count in sizes.items()) / sizes.total() < 3.2


def test_sizes_follow_the_weights_of_the_config(tmp_path: Path) -> None:
    """Sets of four and five are equally common; smaller ones are made of what remains."""
    weighted = SetsConfig(
        related_cosine_similarity=0.7,
        duplicate_cosine_similarity=0.95,
        size_weights=(0, 0, 1, 1),
        prefer="coverage",
    )

    sizes = Counter(len(each.keys) for each in group(_one_cluster(900), weighted, tmp_path).sets)

    assert sizes[4] + sizes[5] > 0.8 * sizes.total()
    assert 0.5 < sizes[4] / sizes[5] < 2


def _one_cluster(count: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    directions = as_unit(rng.normal(size=(count, 64)))
    return as_unit(directions * 0.35 + np.eye(64)[0] * 0.8)


def test_an_id_is_a_hash_of_the_keys(tmp_path: Path) -> None:
    """So a caption of a set stays valid as long as the set exists."""
    [image_set] = group(at_degrees(0, 30), THRESHOLDS, tmp_path).sets

    expected = hashlib.blake2b(b"000.jpg\n001.jpg", digest_size=6).hexdigest()
    assert image_set.id == f"set_{expected}" == set_id(["000.jpg", "001.jpg"])


def _made_up_sets(count: int, region: str) -> list[ImageSet]:
    return [
        ImageSet(
            id=set_id([f"{region}{number}"]),
            keys=(f"{region}{number}", f"{region}{number}b"),
            min_cosine_similarity=0.8,
            mean_cosine_similarity=0.8,
        )
        for number in range(count)
    ]


def test_kept_sets_cover_the_corpus_not_only_its_densest_region() -> None:
    """Of 900 sets in one region and 30 in each of two others, 60 are kept: 20 per region."""
    sets = _made_up_sets(900, "a") + _made_up_sets(30, "b") + _made_up_sets(30, "c")

    kept = subsample(sets, 60, lambda key: "abc".index(key[0]), SetsConfig())

    assert {"a": 20, "b": 20, "c": 20} == Counter(each.keys[0][0] for each in kept)


def test_a_smaller_selection_is_part_of_a_larger_one() -> None:
    """The order is kept. If more sets are wanted than exist, all are kept."""
    sets = _made_up_sets(40, "a") + _made_up_sets(10, "b")

    ten, five = (subsample(sets, wanted, lambda key: "ab".index(key[0]), SetsConfig()) for wanted in (10, 5))

    assert {each.id for each in five} < {each.id for each in ten}
    assert ten == [each for each in sets if each in ten]
    assert sets == subsample(sets, 1000, lambda key: 0, SetsConfig())


def test_max_sets_limits_the_number_of_sets(tmp_path: Path) -> None:
    """They are among those that are made without a limit."""
    units = _clusters(seed=4, clusters=80, most=6, spread=0.3)
    limited = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95, max_sets=10)

    every = group(units, THRESHOLDS, tmp_path / "all").sets
    kept = group(units, limited, tmp_path / "ten").sets

    assert 10 == len(kept) < len(every)
    assert {each.id for each in kept} < {each.id for each in every}


def test_sets_are_sorted_by_their_smallest_key(tmp_path: Path) -> None:
    """Whatever the order of the images in them."""
    sets = group(_clusters(seed=6, clusters=20, most=5, spread=0.3), THRESHOLDS, tmp_path).sets

    smallest = [min(each.keys) for each in sets]
    assert smallest == sorted(smallest)
