"""Ids that come twice."""

from array import array
from collections.abc import Iterator

import pytest

from triptych.export.check import export as check
from triptych.export.check.export import repeated_ids


def repeated(ids: list[str]) -> list[str]:
    hashes = array("Q", (check.hash64(identifier) for identifier in ids))
    return list(repeated_ids(hashes, lambda: iter(ids)))


def test_each_repetition_is_named() -> None:
    """After its first time."""
    assert ["b", "b"] == repeated(["b", "a", "b", "c", "b"])


def test_ids_that_differ_are_not_read_again() -> None:
    """The second look costs a pass over the file."""

    def no_second_look() -> Iterator[str]:
        raise AssertionError

    assert [] == list(repeated_ids(array("Q", [1, 2]), no_second_look))


def test_two_ids_with_one_hash_are_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash only says where to look."""
    monkeypatch.setattr(check, "hash64", lambda identifier: 1)

    assert [] == repeated(["a", "b"])
    assert ["a"] == repeated(["a", "b", "a"])


def test_no_ids_are_no_repetition() -> None:
    """Of an empty file."""
    assert [] == repeated([])
