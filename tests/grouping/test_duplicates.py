"""Which image of several alike stays."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpus.records import Duplicate, ImageRecord
from grouping.duplicates import find_duplicates
from grouping.neighbours import NeighbourSearch
from grouping.vectors import Vectors, load_vectors, pair_cosines
from tests.grouping.made_up import as_unit, make_run

BOUND = 0.9


def _at(*degrees: float) -> NDArray[np.float32]:
    """Unit vectors in a plane; 25.8 degrees apart is a cosine of 0.9."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _vectors(units: NDArray[np.float32], **fields: list[object]) -> Vectors:
    """Images a, b, c... of 100 x 100 pixels and 1,000 bytes, with ``fields`` of theirs replaced."""
    records = []
    for row in range(len(units)):
        key = f"{row:03d}.jpg"
        plain = {"width_px": 100, "height_px": 100, "size_bytes": 1000, "content_hash": key}
        own = {name: values[row] for name, values in fields.items()}
        records.append(ImageRecord(key=key, **{**plain, **own}))  # type: ignore[arg-type]
    return Vectors(records, units)


def test_same_bytes_keep_the_smallest_key() -> None:
    """Three files of one content: the first by key stays, the others name it."""
    vectors = _vectors(_at(0, 0, 90, 0), content_hash=["same", "same", "other", "same"])

    duplicates, stays = find_duplicates(vectors, BOUND)

    assert duplicates == [
        Duplicate(key="001.jpg", of="000.jpg", reason="same bytes", cosine_similarity=1.0),
        Duplicate(key="003.jpg", of="000.jpg", reason="same bytes", cosine_similarity=1.0),
    ]
    assert stays.tolist() == [0, 2]


def test_of_near_duplicates_the_largest_stays() -> None:
    """By pixels first, then by bytes, then by key."""
    by_pixels, _ = find_duplicates(_vectors(_at(0, 5), width_px=[100, 200], size_bytes=[9000, 1]), BOUND)
    by_bytes, _ = find_duplicates(_vectors(_at(0, 5), size_bytes=[1000, 2000]), BOUND)
    by_key, _ = find_duplicates(_vectors(_at(0, 5)), BOUND)

    assert [(d.key, d.of, d.reason) for d in by_pixels] == [("000.jpg", "001.jpg", "near duplicate")]
    assert [(d.key, d.of) for d in by_bytes] == [("000.jpg", "001.jpg")]
    assert [(d.key, d.of) for d in by_key] == [("001.jpg", "000.jpg")]
    assert by_pixels[0].cosine_similarity == round(float(np.cos(np.radians(5))), 6)


def test_a_chain_of_near_duplicates_is_not_followed() -> None:
    """0 is near 20, 20 near 40, but 0 is not near 40: 40 stays, and 20 names the better one of the two."""
    duplicates, stays = find_duplicates(_vectors(_at(0, 20, 40)), BOUND)

    assert [(d.key, d.of) for d in duplicates] == [("001.jpg", "000.jpg")]
    assert stays.tolist() == [0, 2]


def test_a_copy_of_a_near_duplicate_names_the_image_that_stays() -> None:
    """Two files of one content near a larger image: both name the larger one."""
    vectors = _vectors(_at(0, 5, 5), width_px=[200, 100, 100], content_hash=["a", "b", "b"])

    duplicates, stays = find_duplicates(vectors, BOUND)

    assert [(d.key, d.of, d.reason) for d in duplicates] == [
        ("001.jpg", "000.jpg", "near duplicate"),
        ("002.jpg", "000.jpg", "near duplicate"),
    ]
    assert stays.tolist() == [0]


def test_however_many_copies_there_are_none_is_missed() -> None:
    """700 near copies, more than are searched at a time, and a stranger: two stay."""
    rng = np.random.default_rng(1)
    copies = np.array([1.0, 0, 0, 0]) + rng.normal(0, 1e-3, (700, 4))
    vectors = _vectors(as_unit(np.concatenate([copies, [[0, 1, 0, 0]]])))

    duplicates, stays = find_duplicates(vectors, BOUND)

    assert len(duplicates) == 699
    assert {duplicate.of for duplicate in duplicates} == {"000.jpg"}
    assert stays.tolist() == [0, 700]


def test_the_bound_itself_is_a_duplicate() -> None:
    """A pair exactly at the bound is set aside; with the bound just above it, it stays."""
    vectors = _vectors(_at(0, 20))
    cosine = float(pair_cosines(vectors.units, np.array([0]), np.array([1]))[0])

    assert len(find_duplicates(vectors, cosine)[0]) == 1
    assert find_duplicates(vectors, cosine + 1e-6)[0] == []


def test_no_image_and_one_image_have_no_duplicates() -> None:
    """Nothing to compare is not an error."""
    nothing, stays_of_none = find_duplicates(Vectors([], np.zeros((0, 1), np.float32)), BOUND)
    alone, stays_of_one = find_duplicates(_vectors(_at(0)), BOUND)

    assert (nothing, stays_of_none.tolist()) == ([], [])
    assert (alone, stays_of_one.tolist()) == ([], [0])


def test_duplicates_are_found_across_shards(tmp_path: Path) -> None:
    """The copy lies in another shard than the image it copies."""
    units = _at(0, 1, 90, 180)
    run = make_run(tmp_path / "run", dict(zip("abcd", units, strict=True)), shards=4)

    duplicates, _ = find_duplicates(load_vectors(run), BOUND)

    assert [(d.key, d.of) for d in duplicates] == [("b", "a")]


def test_a_pair_has_the_same_cosine_both_ways_and_in_any_company() -> None:
    """What decides about a pair doesn't depend on what else is computed with it."""
    units = as_unit(np.random.default_rng(2).normal(size=(300, 67)))
    left, right = np.triu_indices(300, k=1)

    together = pair_cosines(units, left, right)

    assert np.array_equal(together, pair_cosines(units, right, left))
    some = np.arange(0, len(left), 997)
    assert np.array_equal(together[some], [pair_cosines(units, left[[i]], right[[i]])[0] for i in some])


def test_the_nearest_exclude_the_image_itself_even_among_equals() -> None:
    """Ten equal rows: each has the nine others or fewer, never itself."""
    nearest = NeighbourSearch(np.repeat(_at(30), 10, axis=0)).nearest(12)

    assert nearest.shape == (10, 12)
    assert all(row not in others for row, others in enumerate(nearest.tolist()))
    assert (nearest[:, :9] >= 0).all()
    assert (nearest[:, 9:] == -1).all()
