"""Digests of untouched files are cached."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from triptych.runs.digest_cache import MIN_AGE_S, remembered_digest


@pytest.fixture
def digest(tmp_path: Path) -> Callable[..., str]:
    """``digest()`` digests the file ``rows``; ``digest.times`` counts how often it was computed."""

    class Digest:
        times = 0

        def __call__(self, besides: str = "") -> str:
            def compute() -> str:
                self.times += 1
                return (tmp_path / "rows").read_text()

            return remembered_digest(tmp_path, "rows", [tmp_path / "rows"], besides, compute)

    return Digest()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """``later()`` advances the file system's clock by an hour."""

    def go_on() -> None:
        from triptych.runs import digest_cache

        now = digest_cache._now_ns
        monkeypatch.setattr(digest_cache, "_now_ns", lambda root: now(root) + int(3600e9))

    return go_on


def test_an_untouched_file_is_digested_once(tmp_path: Path, digest, later) -> None:
    """However often it is requested."""
    (tmp_path / "rows").write_text("one")
    later()

    assert ["one", "one", "one"] == [digest(), digest(), digest()]
    assert 1 == digest.times


def test_a_file_that_has_just_been_written_is_digested_every_time(tmp_path: Path, digest) -> None:
    """It could change again within one tick of the clock, and look the same."""
    (tmp_path / "rows").write_text("one")

    assert ["one", "one"] == [digest(), digest()]
    assert 2 == digest.times
    assert MIN_AGE_S >= 2


def test_a_change_of_the_same_length_is_seen(tmp_path: Path, digest, later) -> None:
    """By its time."""
    (tmp_path / "rows").write_text("one")
    later()
    digest()
    (tmp_path / "rows").write_text("two")

    assert "two" == digest()


def test_a_change_with_the_old_time_restored_is_seen(tmp_path: Path, digest, later) -> None:
    """A user can set the modification time, not the change time."""
    path = tmp_path / "rows"
    path.write_text("one")
    later()
    digest()
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert "two" == digest()


def test_what_it_depends_on_besides_the_files_counts(tmp_path: Path, digest, later) -> None:
    """The limits of a plan, say."""
    (tmp_path / "rows").write_text("one")
    later()
    digest("limit 1")
    digest("limit 2")

    assert 2 == digest.times


def test_a_damaged_cache_is_ignored(tmp_path: Path, digest, later) -> None:
    """Wherever a bit is flipped, even in a digest: it costs only time."""
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


def test_a_read_only_folder_is_digested(tmp_path: Path, digest, monkeypatch) -> None:
    """Without the cache."""

    def refuse(root: Path) -> int:
        raise PermissionError(13, "no", str(root))

    (tmp_path / "rows").write_text("one")
    monkeypatch.setattr("triptych.runs.digest_cache._now_ns", refuse)

    assert ["one", "one"] == [digest(), digest()]
    assert ["rows"] == [path.name for path in tmp_path.iterdir()]
