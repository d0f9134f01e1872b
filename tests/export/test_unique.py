"""Ids that come twice."""

from collections.abc import Iterator

import pytest

from triptych.export.check.unique import UniqueIds


def repeated(ids: list[str]) -> list[str]:
    unique = UniqueIds()
    for identifier in ids:
        unique.add(identifier)
    return list(unique.repeated(lambda: iter(ids)))


def test_each_repetition_is_named() -> None:
    """After its first time."""
    assert ["b", "b"] == repeated(["b", "a", "b", "c", "b"])


def test_ids_that_differ_are_not_read_again() -> None:
    """The second look costs a pass over the file."""

    def no_second_look() -> Iterator[str]:
        raise AssertionError

    unique = UniqueIds()
    unique.add("a")
    unique.add("b")

    assert [] == list(unique.repeated(no_second_look))


def test_two_ids_with_one_hash_are_no_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hash only says where to look."""
    monkeypatch.setattr("triptych.export.check.unique.hash64", lambda identifier: 1)

    assert [] == repeated(["a", "b"])
    assert ["a"] == repeated(["a", "b", "a"])


def test_no_ids_are_no_repetition() -> None:
    """Of an empty file."""
    assert [] == repeated([])
