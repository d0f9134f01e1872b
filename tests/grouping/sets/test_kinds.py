"""Contrast sets with one odd image, and varied sets."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from tests.support.copied_corpora import near
from tests.support.made_up import as_unit
from triptych.grouping.config import SetsConfig
from triptych.grouping.library import Groups, group
from triptych.grouping.sets.kinds import related_wanted
from triptych.records import ImageSet

RNG = np.random.default_rng(5)
IN_THEMES = np.repeat(RNG.normal(size=(60, 64)), 4, axis=0) + RNG.normal(0, 0.5, (240, 64))
ROWS = as_unit(np.concatenate([IN_THEMES, RNG.normal(size=(160, 64))]))
"""240 images in themes of four, and 160 of no theme."""

MIXED = SetsConfig(contrast_share=0.2, varied_share=0.25, seed=3)


def _cosines(image_set: ImageSet) -> dict[tuple[str, str], float]:
    return {
        (one, other): float(ROWS[int(one)] @ ROWS[int(other)])
        for one, other in combinations(image_set.keys, 2)
    }


def _kinds(groups: Groups) -> Counter[str]:
    return Counter(each.kind for each in groups.sets)


def test_kinds_have_the_configured_shares() -> None:
    """A fifth of all sets are contrast sets, a quarter are varied."""
    found = _kinds(group(ROWS, config=MIXED))

    total = found.total()
    assert found["contrast"] == pytest.approx(0.2 * total, abs=1)
    assert found["varied"] == pytest.approx(0.25 * total, abs=1)


def test_the_odd_image_is_unlike_all_others_which_are_related() -> None:
    """The set names it. It can be at any place in the set, so that its place doesn't give it away."""
    found = group(ROWS, config=SetsConfig(contrast_share=1.0))
    assert found.thresholds is not None
    contrast = [each for each in found.sets if each.kind == "contrast"]

    for each in contrast:
        assert 3 <= len(each.keys) <= 5
        for pair, cosine in _cosines(each).items():
            if each.odd in pair:
                assert cosine < found.thresholds.unlike + 1e-3
            else:
                assert found.thresholds.related - 1e-3 <= cosine < found.thresholds.duplicate + 1e-3
    assert len(contrast) > 50
    assert {0, 1, 2} == {each.keys.index(each.odd) for each in contrast if len(each.keys) == 3}


def test_all_images_of_a_varied_set_are_unlike_each_other() -> None:
    """Nearly all sets have the configured sizes."""
    found = group(ROWS, config=SetsConfig(varied_share=1.0, size_weights=(0, 1, 1, 0)))
    assert found.thresholds is not None

    assert {"varied"} == set(_kinds(found))
    assert 100 < len(found.sets)
    for each in found.sets:
        assert max(_cosines(each).values()) < found.thresholds.unlike + 1e-3
    sizes = Counter(len(each.keys) for each in found.sets)
    assert sizes[3] + sizes[4] > 0.95 * sizes.total()


def test_every_image_has_one_place_with_all_kinds() -> None:
    """Sets are disjoint, and none contains a duplicate."""
    copies = near(ROWS[:40], 0.995, np.random.default_rng(2))
    rows = np.concatenate([ROWS, copies])

    found = group(rows, config=MIXED)

    assert {"related", "varied", "contrast"} == set(_kinds(found))
    placed = [key for each in found.sets for key in each.keys] + [each.key for each in found.duplicates]
    assert sorted([*placed, *found.single], key=int) == [str(row) for row in range(len(rows))]


def test_only_the_seed_decides_which_images_are_odd() -> None:
    """The same seed gives the same sets, for any order of the images and any number of threads."""
    keys = [f"{row:03d}" for row in range(len(ROWS))]
    order = np.random.default_rng(1).permutation(len(ROWS))
    threads = SetsConfig(contrast_share=0.2, varied_share=0.25, seed=3, threads=3)
    other = SetsConfig(contrast_share=0.2, varied_share=0.25, seed=4)

    one = group(ROWS, keys, config=MIXED).sets
    again = group(ROWS[order], [keys[at] for at in order], config=threads).sets
    another = group(ROWS, keys, config=other).sets

    assert one == again
    assert {each.odd for each in one} != {each.odd for each in another}


def test_a_full_set_gives_up_a_place_for_the_odd_image() -> None:
    """With three images per set: two related ones and an odd one."""
    config = SetsConfig(contrast_share=1.0, max_images=3, min_images=3)

    found = group(ROWS, config=config)

    assert 10 < _kinds(found)["contrast"]
    assert {3} == {len(each.keys) for each in found.sets}


def test_all_kinds_together_are_at_most_max_sets() -> None:
    """Of 40 sets, ten are varied and eight contrast."""
    config = SetsConfig(contrast_share=0.2, varied_share=0.25, max_sets=40)

    assert {"related": 22, "varied": 10, "contrast": 8} == _kinds(group(ROWS, config=config))


def test_kept_sets_reduce_the_number_of_related_ones() -> None:
    """A quarter of 40 sets, ten, should be varied; as many are made as there is room for."""
    config = SetsConfig(varied_share=0.25, max_sets=40)

    assert 5 == related_wanted(5, Counter(), config)
    assert 18 == related_wanted(100, Counter(related=12, varied=3, contrast=0), config)
    assert 0 == related_wanted(100, Counter(related=35), config)
    assert 5 == related_wanted(100, Counter(related=25, varied=10), config)
    assert 0 == related_wanted(100, Counter(related=41), config)


def test_sets_stay_related_if_nothing_is_unlike_enough() -> None:
    """In a single theme there are no odd images and no varied sets, and no related set is lost."""
    rng = np.random.default_rng(3)
    rows = as_unit(rng.normal(size=(80, 64)) * 0.5 + 4 * np.eye(64)[0])
    plain = SetsConfig(related_cosine_similarity=0.4, duplicate_cosine_similarity=0.95)
    mixed = SetsConfig(
        related_cosine_similarity=0.4,
        duplicate_cosine_similarity=0.95,
        contrast_share=0.3,
        varied_share=0.3,
    )

    assert group(rows, config=plain).sets == group(rows, config=mixed).sets
