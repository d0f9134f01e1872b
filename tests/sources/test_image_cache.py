"""Images that were read are cached on disk, up to a limit. A cached image never has wrong bytes."""

import os
from pathlib import Path

import pytest

from triptych.errors import UsageError
from triptych.records import content_hash
from triptych.settings import load_config
from triptych.sources.image_cache import ImageCache, size_in_bytes


class CountingReader:
    """Reads images by number through a cache, and lists those that were fetched."""

    def __init__(self, cache: ImageCache) -> None:
        self._cache = cache
        self.numbers: list[int] = []

    def read(self, number: int) -> bytes:
        """The image, from the cache if it is there."""
        return self._cache.read(content_hash(self._content(number)), lambda: self._fetch(number))

    def _fetch(self, number: int) -> bytes:
        self.numbers.append(number)
        return self._content(number)

    def _content(self, number: int) -> bytes:
        return bytes([number]) * 1000


def cached_bytes(folder: Path) -> int:
    """Bytes of all images in the cache, complete or not."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "bytes")


def test_an_image_is_fetched_once(tmp_path: Path) -> None:
    """Also if another cache, as in another process, uses the folder."""
    first, second = CountingReader(ImageCache(tmp_path, 10_000)), CountingReader(ImageCache(tmp_path, 10_000))

    assert first.read(1) == first.read(1) == second.read(1) == b"\1" * 1000
    assert ([1], []) == (first.numbers, second.numbers)


def test_the_least_recently_used_image_is_removed_first(tmp_path: Path) -> None:
    """Ten images fit, and the limit is never exceeded."""
    reader = CountingReader(ImageCache(tmp_path, 10_500))
    for number in range(10):
        reader.read(number)
        os.utime(next(tmp_path.glob(f"??/{content_hash(bytes([number]) * 1000)}")), (number, number))
    reader.read(0)  # used again
    for number in range(10, 40):
        reader.read(number)
        assert cached_bytes(tmp_path) <= 10_500
        if number == 10:
            reader.read(0)
            reader.read(1)

    assert reader.numbers[:12] == [*range(11), 1]


def test_a_damaged_image_is_fetched_again(tmp_path: Path) -> None:
    """Damage is found by the digest."""
    reader = CountingReader(ImageCache(tmp_path, 10_000))
    reader.read(1)
    next(tmp_path.glob("??/*")).write_bytes(b"other")

    assert b"\1" * 1000 == reader.read(1)
    assert [1, 1] == reader.numbers


def test_an_image_that_cannot_be_cached_is_still_returned(tmp_path: Path) -> None:
    """It is larger than the cache, its bytes aren't the expected ones, or the folder can't be written."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    assert b"\1" * 1000 == CountingReader(ImageCache(tmp_path / "small", 999)).read(1)
    assert b"\1" * 1000 == CountingReader(ImageCache(blocked, 10_000)).read(1)
    assert b"changed" == ImageCache(tmp_path / "other", 10_000).read("0" * 32, lambda: b"changed")
    assert 0 == cached_bytes(tmp_path / "small") + cached_bytes(tmp_path / "other")


def test_sizes_have_units() -> None:
    """A setting that isn't a size is refused."""
    assert [500, 1_500_000_000_000, 20_000_000] == [size_in_bytes(text) for text in ("500", "1.5 TB", "20mb")]
    with pytest.raises(UsageError, match="is 'lots'; expected a size such as 500MB"):
        load_config(flags={"input.image_cache": "lots"})


@pytest.mark.parametrize("left", ["", "\0\0\0", "12x"])
def test_a_count_that_a_crash_damaged_is_recomputed(tmp_path: Path, left: str) -> None:
    """The limit still holds, and reading continues."""
    reader = CountingReader(ImageCache(tmp_path, 10_500))
    for number in range(10):
        reader.read(number)
    (tmp_path / "bytes").write_text(left)
    reader.read(11)

    assert cached_bytes(tmp_path) <= 10_500
    assert cached_bytes(tmp_path) == int((tmp_path / "bytes").read_text())
