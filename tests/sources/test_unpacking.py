"""Compressed files are unpacked once, by whoever comes first."""

from __future__ import annotations

import gzip
from functools import partial
from pathlib import Path

import pytest

from triptych.sources.unpacking import UnpackedFile, decompress


def test_who_comes_second_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another has unpacked the file between the look for it and the making of a part."""
    archive = tmp_path / "a.gz"
    archive.write_bytes(gzip.compress(b"what is in it"))
    unpacked = UnpackedFile(str(archive), tmp_path / "unpacked" / "a", partial(decompress, str(archive)))
    unpacked.open().close()
    looks = iter([False, True])
    monkeypatch.setattr(unpacked, "_is_there", lambda: next(looks))

    with unpacked.open() as file:
        assert b"what is in it" == file.read()
    assert ["a"] == [path.name for path in (tmp_path / "unpacked").iterdir()]
