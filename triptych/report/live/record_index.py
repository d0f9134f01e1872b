"""An index of the records of images and sets: finds one of millions without reading them all.

Comes in: a run folder that may still grow. Goes out: the record and shard of an image by its key, the keys of
a set by its id. The index takes sixteen bytes per record; a file is read once, and again only when it has
changed. Not its job: pictures (see pictures).
"""

from __future__ import annotations

import contextlib
import threading
from array import array
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from triptych.records import ImageRecord, ImageSet
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import UNDECODABLE

T = TypeVar("T", ImageRecord, ImageSet)


class IndexedImage(NamedTuple):
    """An image's record, and its shard."""

    shard: str
    image: ImageRecord


class _Named(msgspec.Struct, gc=False):
    """The part of a record that names it."""

    key: str = ""
    id: str = ""


class _Lines(NamedTuple):
    """The lines of one file, sorted by the hashes of their names."""

    signature: tuple[int, int]
    hashes: NDArray[np.int64]
    offsets: NDArray[np.int64]


class RecordIndex:
    """The records of one run. Thread-safe; the first search for an image may read all lists of images."""

    def __init__(self) -> None:
        self._lines: dict[Path, _Lines] = {}
        self._lock = threading.Lock()

    def image(self, run: RunFolder, key: str, shard: str | None = None) -> IndexedImage | None:
        """The image ``key``, searched for in ``shard`` first; None if no shard has it."""
        for name in sorted(run.shards(), key=lambda name: name != shard):
            record = self._find(run.images_file(name), ImageRecord, key)
            if record is not None:
                return IndexedImage(name, record)
        return None

    def keys_of(self, run: RunFolder, set_id: str) -> tuple[str, ...]:
        """The keys of a set's images; empty if there is no such set (any more)."""
        found = self._find(run.sets_file, ImageSet, set_id)
        return found.keys if found is not None else ()

    def _find(self, path: Path, kind: type[T], name: str) -> T | None:
        lines = self._lines_of(path)
        if lines is None:
            return None
        hashed = hash(name)
        for at in range(np.searchsorted(lines.hashes, hashed), len(lines.hashes)):
            if lines.hashes[at] != hashed:
                return None
            with path.open("rb") as file:
                file.seek(lines.offsets[at])
                line = file.readline()
            try:
                record = msgspec.json.decode(line, type=kind)
            except UNDECODABLE:  # the file has just been replaced
                return None
            if name in (getattr(record, "key", None), getattr(record, "id", None)):
                return record
        return None

    def _lines_of(self, path: Path) -> _Lines | None:
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        signature = (status.st_mtime_ns, status.st_size)
        with self._lock:  # per file, so that other threads get their turn between files
            known = self._lines.get(path)
            if known is None or known.signature != signature:
                known = self._lines[path] = _read(path, signature)
        return known


def _read(path: Path, signature: tuple[int, int]) -> _Lines:
    hashes, offsets, at = array("q"), array("q"), 0
    decoder = msgspec.json.Decoder(_Named)
    with path.open("rb") as file:
        for line in file:
            with contextlib.suppress(*UNDECODABLE):  # `triptych verify` reports damaged lines
                named = decoder.decode(line)
                hashes.append(hash(named.key or named.id))
                offsets.append(at)
            at += len(line)
    order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable") if hashes else np.empty(0, np.int64)
    sort = [np.array(each, np.int64)[order] for each in (hashes, offsets)]
    return _Lines(signature, *sort)
