"""Digests of unchanged files are cached."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from triptych.runs.digest_cache import MIN_AGE_S, remembered_digest


@pytest.fixture
def digest(tmp_path: Path) -> Callable[..., str]:
    """``digest()`` returns the digest of the file ``rows``; ``digest.times`` counts how often it was
    computed."""

    class Digest:
        times = 0

        def __call__(self, extra_input: str = "") -> str:
            def compute() -> str:
                self.times += 1
                return (tmp_path / "rows").read_text()

            return remembered_digest(tmp_path, "rows", [tmp_path / "rows"], extra_input, compute)

    return Digest()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """``later()`` advances the file system's clock by an hour."""

    def advance() -> None:
        from triptych.runs import digest_cache

        now = digest_cache._now_ns
        monkeypatch.setattr(digest_cache, "_now_ns", lambda root: now(root) + int(3600e9))

    return advance


def test_the_digest_of_an_unchanged_file_is_computed_once(tmp_path: Path, digest, later) -> None:
    """Later requests are answered from the cache."""
    (tmp_path / "rows").write_text("one")
    later()

    assert ["one", "one", "one"] == [digest(), digest(), digest()]
    assert 1 == digest.times


def test_the_digest_of_a_file_written_just_now_is_not_cached(tmp_path: Path, digest) -> None:
    """The file could change again within one tick of the clock, and its time stamp would be the same."""
    (tmp_path / "rows").write_text("one")

    assert ["one", "one"] == [digest(), digest()]
    assert 2 == digest.times
    assert MIN_AGE_S >= 2


def test_a_change_that_keeps_the_size_is_detected(tmp_path: Path, digest, later) -> None:
    """The modification time differs."""
    (tmp_path / "rows").write_text("one")
    later()
    digest()
    (tmp_path / "rows").write_text("two")

    assert "two" == digest()


def test_a_change_is_detected_although_the_modification_time_is_restored(
    tmp_path: Path, digest, later
) -> None:
    """A user can set the modification time, but not the change time."""
    path = tmp_path / "rows"
    path.write_text("one")
    later()
    digest()
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert "two" == digest()


def test_a_digest_is_cached_separately_for_each_extra_input(tmp_path: Path, digest, later) -> None:
    """An extra input is the limit of a plan, for example."""
    (tmp_path / "rows").write_text("one")
    later()
    digest("limit 1")
    digest("limit 2")

    assert 2 == digest.times


def test_a_damaged_cache_is_ignored(tmp_path: Path, digest, later) -> None:
    """Wherever a bit is flipped, even within a digest, the only cost is time."""
    (tmp_path / "rows").write_text("one")
    later()
    digest()
    cache = (tmp_path / ".digests.json").read_bytes()
    damaged = [cache[:at] + bytes([cache[at] ^ 128 >> at % 8]) + cache[at + 1 :] for at in range(len(cache))]
    for content in (b"", b"{", b"[]", *damaged):
        (tmp_path / ".digests.json").write_bytes(content)
        times = digest.times

        assert "one" == digest()
        assert times + 1 == digest.times


def test_a_digest_is_computed_in_a_read_only_folder(tmp_path: Path, digest, monkeypatch) -> None:
    """Nothing is cached there."""

    def refuse(root: Path) -> int:
        raise PermissionError(13, "no", str(root))

    (tmp_path / "rows").write_text("one")
    monkeypatch.setattr("triptych.runs.digest_cache._now_ns", refuse)

    assert ["one", "one"] == [digest(), digest()]
    assert ["rows"] == [path.name for path in tmp_path.iterdir()]
