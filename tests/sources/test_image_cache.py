"""Images that were read stay on disk, within a bound, and are never anything else than they were."""

import os
from pathlib import Path

import pytest

from triptych.errors import UsageError
from triptych.records import content_hash
from triptych.settings import load_config
from triptych.sources.image_cache import ImageCache, size_in_bytes


class Fetched:
    """Images by number, and how often each was fetched."""

    def __init__(self, cache: ImageCache) -> None:
        self._cache = cache
        self.numbers: list[int] = []

    def read(self, number: int) -> bytes:
        """Through the cache."""
        return self._cache.read(content_hash(self._content(number)), lambda: self._fetch(number))

    def _fetch(self, number: int) -> bytes:
        self.numbers.append(number)
        return self._content(number)

    def _content(self, number: int) -> bytes:
        return bytes([number]) * 1000


def held(folder: Path) -> int:
    """Bytes of images, and of what was left of some."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "bytes")


def test_an_image_is_fetched_once(tmp_path: Path) -> None:
    """Also by another process, which knows the folder only."""
    first, second = Fetched(ImageCache(tmp_path, 10_000)), Fetched(ImageCache(tmp_path, 10_000))

    assert first.read(1) == first.read(1) == second.read(1) == b"\1" * 1000
    assert ([1], []) == (first.numbers, second.numbers)


def test_what_was_used_longest_ago_goes_first_and_the_bound_holds(tmp_path: Path) -> None:
    """Ten fit."""
    fetched = Fetched(ImageCache(tmp_path, 10_500))
    for number in range(10):
        fetched.read(number)
        os.utime(next(tmp_path.glob(f"??/{content_hash(bytes([number]) * 1000)}")), (number, number))
    fetched.read(0)  # is used again
    for number in range(10, 40):
        fetched.read(number)
        assert held(tmp_path) <= 10_500
        if number == 10:
            fetched.read(0)
            fetched.read(1)

    assert fetched.numbers[:12] == [*range(11), 1]


def test_a_damaged_image_is_fetched_anew(tmp_path: Path) -> None:
    """By its digest."""
    fetched = Fetched(ImageCache(tmp_path, 10_000))
    fetched.read(1)
    next(tmp_path.glob("??/*")).write_bytes(b"other")

    assert b"\1" * 1000 == fetched.read(1)
    assert [1, 1] == fetched.numbers


def test_what_can_not_be_kept_is_handed_on(tmp_path: Path) -> None:
    """Larger than all of it, other bytes than were asked for, or a place where nothing can be written."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    assert b"\1" * 1000 == Fetched(ImageCache(tmp_path / "small", 999)).read(1)
    assert b"\1" * 1000 == Fetched(ImageCache(blocked, 10_000)).read(1)
    assert b"changed" == ImageCache(tmp_path / "other", 10_000).read("0" * 32, lambda: b"changed")
    assert 0 == held(tmp_path / "small") + held(tmp_path / "other")


def test_sizes_have_units() -> None:
    """A setting that has none of these is refused."""
    assert [500, 1_500_000_000_000, 20_000_000] == [size_in_bytes(text) for text in ("500", "1.5 TB", "20mb")]
    with pytest.raises(UsageError, match="found the size 'lots'; expected one such as 500MB"):
        load_config(flags={"input.image_cache": "lots"})


@pytest.mark.parametrize("left", ["", "\0\0\0", "12x"])
def test_a_count_that_a_crash_spoilt_is_taken_again(tmp_path: Path, left: str) -> None:
    """The bound holds, and no image costs the run."""
    fetched = Fetched(ImageCache(tmp_path, 10_500))
    for number in range(10):
        fetched.read(number)
    (tmp_path / "bytes").write_text(left)
    fetched.read(11)

    assert held(tmp_path) <= 10_500
    assert held(tmp_path) == int((tmp_path / "bytes").read_text())
