"""Repeated ids in an export."""

from array import array
from collections.abc import Iterator

import pytest

from triptych.export.check import export as check
from triptych.export.check.export import repeated_ids


def repeated(ids: list[str]) -> list[str]:
    hashes = array("Q", (check.hash64(identifier) for identifier in ids))
    return list(repeated_ids(hashes, lambda: iter(ids)))


def test_each_repetition_of_an_id_is_listed() -> None:
    """The first occurrence isn't."""
    assert ["b", "b"] == repeated(["b", "a", "b", "c", "b"])


def test_ids_are_not_read_again_if_their_hashes_differ() -> None:
    """Reading them again costs a pass over the file."""

    def read_again() -> Iterator[str]:
        raise AssertionError

    assert [] == list(repeated_ids(array("Q", [1, 2]), read_again))


def test_two_ids_with_one_hash_are_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids with the same hash are compared as texts."""
    monkeypatch.setattr(check, "hash64", lambda identifier: 1)

    assert [] == repeated(["a", "b"])
    assert ["a"] == repeated(["a", "b", "a"])


def test_an_empty_file_has_no_repetition() -> None:
    """It has no ids."""
    assert [] == repeated([])
