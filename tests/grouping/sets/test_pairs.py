"""Undirected pairs from directed neighbours."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.made_up import as_unit
from triptych.grouping.neighbours.faiss_search import FaissSearcher
from triptych.grouping.neighbours.self_join import Neighbours
from triptych.grouping.neighbours.unit_vectors import UnitVectors
from triptych.grouping.sets import pairs
from triptych.grouping.sets.pairs import Pairs, pairs_from

AT_LEAST = 0.5


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float16]:
    """400 random rows in six dimensions."""
    return as_unit(np.random.default_rng(1).normal(size=(400, 6))).astype(np.float16)


def _pairs(rows: NDArray[np.float16], among: NDArray[np.bool_]) -> Pairs:
    cosines = rows.astype(np.float32) @ rows.T.astype(np.float32)
    np.fill_diagonal(cosines, -2)
    images = np.argsort(-cosines, axis=1)[:, :8].astype(np.int32)
    found = Neighbours(images, np.take_along_axis(cosines, images, axis=1))
    units = UnitVectors(rows, np.arange(len(rows), dtype=np.int32))
    return pairs_from(found, units, AT_LEAST, FaissSearcher(threads=2), among)


def test_a_pair_is_mutual_if_each_image_found_the_other(rows: NDArray[np.float16]) -> None:
    """Compared with a plain loop over all rows."""
    cosines = rows.astype(np.float64) @ rows.T.astype(np.float64)
    np.fill_diagonal(cosines, -2)
    near = [set(np.argsort(-line)[:8].tolist()) for line in cosines]
    expected = {
        (min(one, other), max(one, other)): one in near[other]
        for one in range(400)
        for other in near[one]
        if cosines[one, other] >= AT_LEAST + 1e-3
    }

    found = _pairs(rows, np.ones(400, bool))

    made = dict(
        zip(zip(found.left.tolist(), found.right.tolist(), strict=True), found.mutual.tolist(), strict=True)
    )
    assert expected == {pair: made[pair] for pair in expected}
    assert len(made) - len(expected) < 0.01 * len(made)  # pairs within rounding of the threshold


@pytest.mark.parametrize("at_once", [1, 7, 133, 400])
def test_pairs_do_not_depend_on_how_many_images_are_sorted_together(
    rows: NDArray[np.float16], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pairs in the same order, with a fifth of the images masked out."""
    among = np.arange(400) % 5 != 0
    together = _pairs(rows, among)
    monkeypatch.setattr(pairs, "IMAGES_AT_ONCE", at_once)

    apart = _pairs(rows, among)

    assert len(together.left) > 100
    assert all(np.array_equal(one, other) for one, other in zip(together, apart, strict=True))
