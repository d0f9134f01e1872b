"""Files that are whole or not there, and JSON Lines in and out of them.

Comes in: records, a final path. Goes out: a file that appears under its final name only when every
byte is on disk. Not its job: append-only files (see journal).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TypeVar

import msgspec

from corpus.errors import SetupError

T = TypeVar("T")

_PART_SUFFIX = ".part"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of ``path`` for writing; rename it to ``path`` on success.

    The bytes and the directory entry are synced before the block is left, so a crash leaves either
    the old state or the whole new file. On an exception the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + _PART_SUFFIX)
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make renames and new files inside ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_jsonl(path: Path, records: Iterable[msgspec.Struct]) -> int:
    """Write one record a line, whole or not at all. Returns how many."""
    encoder = msgspec.json.Encoder()
    count = 0
    with written_whole(path) as file:
        for record in records:
            file.write(encoder.encode(record) + b"\n")
            count += 1
    return count


def write_json(path: Path, value: object) -> None:
    """Write one indented JSON document, whole or not at all."""
    with written_whole(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def read_jsonl(path: Path, kind: type[T]) -> Iterator[T]:
    """The records of a JSON Lines file, in order.

    Raises SetupError that names the file and line where one is not a ``kind``.
    """
    decoder = msgspec.json.Decoder(kind)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise SetupError(
                    f"{path}, line {number}: expected a {kind.__name__} in JSON, found {error};"
                    " the file was damaged or edited: remove it and run again"
                ) from None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_files(root: Path, paths: Iterable[Path]) -> str:
    """One SHA-256, in hex, over the names (relative to ``root``) and bytes of ``paths``, sorted."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(root).as_posix()}\0{sha256_of(path)}\n".encode())
    return digest.hexdigest()
