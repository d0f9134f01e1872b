"""Compressed files are unpacked once, by whichever process is first."""

from __future__ import annotations

import gzip
import os
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from triptych.sources.unpacking import UnpackedFile, decompress


def test_the_second_of_two_processes_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has unpacked the file after the first check, before the partial file is created."""
    archive = tmp_path / "a.gz"
    archive.write_bytes(gzip.compress(b"what is in it"))
    unpacked = UnpackedFile(str(archive), tmp_path / "unpacked" / "a", partial(decompress, str(archive)))
    unpacked.open().close()
    checks = iter([False, True])
    monkeypatch.setattr(unpacked, "_is_current", lambda: next(checks))

    with unpacked.open() as file:
        assert b"what is in it" == file.read()
    assert ["a", "a.source"] == sorted(path.name for path in (tmp_path / "unpacked").iterdir())


def _unpacked(archive: Path, copy: Path, part: str, writes: list[str]) -> UnpackedFile:
    def write(file: IO[bytes]) -> str | None:
        writes.append(part)
        return decompress(str(archive), file)

    return UnpackedFile(str(archive), copy, write, part)


def test_a_copy_is_reused_whatever_time_its_file_system_gives_it(tmp_path: Path) -> None:
    """Some file systems store whole seconds, or the time of writing."""
    archive, writes = tmp_path / "a.gz", list[str]()
    archive.write_bytes(gzip.compress(b"what is in it"))
    os.utime(archive, ns=(0, 1_700_000_000_123_456_789))

    for time_ns in (1_700_000_000_000_000_000, 0, 1_800_000_000_000_000_000):
        with _unpacked(archive, tmp_path / "copy", "", writes).open() as file:
            assert b"what is in it" == file.read()
        os.utime(tmp_path / "copy", ns=(time_ns, time_ns))

    assert [""] == writes


def test_an_outdated_copy_is_made_again(tmp_path: Path) -> None:
    """The copy is of a file of another size or time, or of another part of the same file."""
    archive, writes = tmp_path / "a.gz", list[str]()
    for content, modified_ns, part in (
        (b"before", 5, "rows"),
        (b"of another length", 5, "rows"),
        (b"of another length", 6, "rows"),
        (b"of another length", 6, "columns"),
    ):
        archive.write_bytes(gzip.compress(content))
        os.utime(archive, ns=(0, modified_ns))
        with _unpacked(archive, tmp_path / "copy", part, writes).open() as file:
            assert content == file.read()

    assert ["rows", "rows", "rows", "columns"] == writes


@pytest.mark.parametrize("damaged", ["copy", "copy.source"])
def test_a_damaged_copy_is_made_again(tmp_path: Path, damaged: str) -> None:
    """One that is as it was written stays, and is read only once to find out."""
    archive, writes = tmp_path / "a.gz", list[str]()
    archive.write_bytes(gzip.compress(b"what is in it"))
    unpacked = _unpacked(archive, tmp_path / "copy", "", writes)
    unpacked.open().close()
    unpacked.remove_if_changed()
    assert (tmp_path / "copy").exists()

    content = (tmp_path / damaged).read_bytes()
    (tmp_path / damaged).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    unpacked = _unpacked(archive, tmp_path / "copy", "", writes)
    unpacked.remove_if_changed()

    with unpacked.open() as file:
        assert b"what is in it" == file.read()
    assert ["", ""] == writes
