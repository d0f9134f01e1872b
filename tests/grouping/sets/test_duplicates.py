"""Which image among duplicates is kept."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.contexts import context_of
from tests.support.made_up import as_unit, at_degrees, group, make_run
from triptych.grouping.config import SetsConfig
from triptych.grouping.neighbours.unit_vectors import UnitVectors, cosines_with_each, pair_cosines
from triptych.grouping.sets_stage import make_sets
from triptych.records import Duplicate

THRESHOLDS = SetsConfig(related_cosine_similarity=0.5, duplicate_cosine_similarity=0.9)
"""Vectors 25.8 degrees apart have a cosine of 0.9, those 60 degrees apart one of 0.5."""


def _vectors(units: np.ndarray) -> UnitVectors:
    return UnitVectors(units.astype(np.float16), np.arange(len(units), dtype=np.int32))


def test_of_files_with_the_same_bytes_the_smallest_key_is_kept(tmp_path: Path) -> None:
    """Three files with the same content: the first by key is kept, and the others refer to it."""
    grouped = group(
        at_degrees(0, 0, 90, 0), THRESHOLDS, tmp_path, content_hash=["same", "same", "other", "same"]
    )

    assert grouped.duplicates == [
        Duplicate(key="001.jpg", of="000.jpg", reason="same bytes", cosine_similarity=1.0),
        Duplicate(key="003.jpg", of="000.jpg", reason="same bytes", cosine_similarity=1.0),
    ]


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"width_px": [100, 200], "size_bytes": [9000, 1]}, "001.jpg"),
        ({"size_bytes": [1000, 2000]}, "001.jpg"),
        ({}, "000.jpg"),
    ],
    ids=["by pixels", "then by bytes", "then by key"],
)
def test_the_largest_near_duplicate_is_kept(
    fields: dict[str, list[object]], kept: str, tmp_path: Path
) -> None:
    """The other one refers to it, with their cosine."""
    [duplicate] = group(at_degrees(0, 5), THRESHOLDS, tmp_path, **fields).duplicates

    assert (kept, "near duplicate") == (duplicate.of, duplicate.reason)
    assert duplicate.cosine_similarity == pytest.approx(np.cos(np.radians(5)), abs=1e-3)


def test_a_chain_of_near_duplicates_is_not_followed(tmp_path: Path) -> None:
    """0 is near 20, and 20 near 40, but 0 isn't near 40: 40 is kept, and 20 refers to the larger one."""
    grouped = group(at_degrees(0, 20, 40), THRESHOLDS, tmp_path, width_px=[300, 200, 100])

    assert [(d.key, d.of) for d in grouped.duplicates] == [("001.jpg", "000.jpg")]


def test_of_equally_large_images_the_one_with_most_copies_is_kept(tmp_path: Path) -> None:
    """0 and 40 are both near 20, so 20 is kept; otherwise 40 would be left beside 0."""
    grouped = group(at_degrees(0, 20, 40), THRESHOLDS, tmp_path)

    assert [(d.key, d.of) for d in grouped.duplicates] == [("000.jpg", "001.jpg"), ("002.jpg", "001.jpg")]


def test_a_copy_of_a_near_duplicate_refers_to_the_kept_image(tmp_path: Path) -> None:
    """Two files with the same content, near a larger image: both refer to the larger one."""
    grouped = group(
        at_degrees(0, 5, 5), THRESHOLDS, tmp_path, width_px=[200, 100, 100], content_hash=["a", "b", "b"]
    )

    assert [(d.key, d.of, d.reason) for d in grouped.duplicates] == [
        ("001.jpg", "000.jpg", "near duplicate"),
        ("002.jpg", "000.jpg", "near duplicate"),
    ]


def test_all_copies_are_found_however_many(tmp_path: Path) -> None:
    """300 near copies, many more than an image has neighbours, and an unrelated image: two are kept."""
    rng = np.random.default_rng(1)
    copies = np.array([1.0, 0, 0, 0]) + rng.normal(0, 1e-3, (300, 4))

    grouped = group(as_unit(np.concatenate([copies, [[0, 1, 0, 0]]])), THRESHOLDS, tmp_path)

    assert len(grouped.duplicates) == 299
    assert len({duplicate.of for duplicate in grouped.duplicates}) == 1


def test_copies_do_not_hide_related_images(tmp_path: Path) -> None:
    """An image whose nearest neighbours are all copies still finds the related one after them."""
    rng = np.random.default_rng(2)
    copies = np.array([1.0, 0, 0, 0]) + rng.normal(0, 1e-3, (60, 4))
    related = [np.cos(0.8), np.sin(0.8), 0, 0]

    grouped = group(as_unit(np.concatenate([copies, [related]])), THRESHOLDS, tmp_path)

    [kept] = {duplicate.of for duplicate in grouped.duplicates}
    assert [{kept, "060.jpg"}] == [set(each.keys) for each in grouped.sets]


@pytest.mark.parametrize(("bits", "reason"), [(24, "hashes agree"), (50, None)])
def test_below_the_threshold_the_perceptual_hash_decides(
    bits: int, reason: str | None, tmp_path: Path
) -> None:
    """At a cosine of 0.82, hashes that differ in 24 bits are of a copy, in 50 bits of another picture."""
    flipped = (1 << bits) - 1
    grouped = group(at_degrees(0, 35), THRESHOLDS, tmp_path, picture_hash=[f"{0:064x}", f"{flipped:064x}"])

    assert ([reason] if reason else []) == [duplicate.reason for duplicate in grouped.duplicates]
    assert len(grouped.sets) == (0 if reason else 1)


def test_a_mirrored_picture_is_a_copy(tmp_path: Path) -> None:
    """At a cosine of 0.57. About every other bit of its hash is inverted."""
    grouped = group(at_degrees(0, 55), THRESHOLDS, tmp_path, picture_hash=["0" * 64, "5" * 64])

    assert ["hashes agree"] == [duplicate.reason for duplicate in grouped.duplicates]


def test_equal_hashes_with_unrelated_embeddings_are_not_copies(tmp_path: Path) -> None:
    """Hashes of unrelated images don't count."""
    grouped = group(at_degrees(0, 65), THRESHOLDS, tmp_path, picture_hash=["0" * 64, "0" * 64])

    assert [] == grouped.duplicates


def test_duplicates_are_found_across_shards(tmp_path: Path) -> None:
    """The copy and the image it copies are in different shards."""
    units = at_degrees(0, 1, 90, 180)
    run = make_run(tmp_path / "run", dict(zip("abcd", units, strict=True)), shards=4)
    make_sets(context_of(run), THRESHOLDS)

    assert [("b", "a")] == [(d.key, d.of) for d in run.duplicates()]


def test_a_cosine_is_the_same_in_both_directions_and_in_any_batch() -> None:
    """A pair's final cosine doesn't depend on what else is computed with it."""
    vectors = _vectors(as_unit(np.random.default_rng(2).normal(size=(300, 67))))
    left, right = np.triu_indices(300, k=1)

    together = pair_cosines(vectors, left, right)

    assert np.array_equal(together, pair_cosines(vectors, right, left))
    some = np.arange(0, len(left), 997)
    assert np.array_equal(together[some], [pair_cosines(vectors, left[[i]], right[[i]])[0] for i in some])
    assert np.array_equal(together[:299], cosines_with_each(vectors, [0], np.arange(1, 300))[0])
