"""Append-only JSON Lines that survive a crash at any byte, each with a checksum.

Comes in: records as they are made. Goes out: a file in which every committed record is on disk. A
half-written last line, left by a crash, is cut off when the journal is next opened for writing, and skipped
when it is read. Not its job: deciding which records to make (see captioning).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Generic, NamedTuple, Self, TypeVar

import msgspec

from triptych.runs.checksums import sealed_line
from triptych.runs.jsonl import (
    DamagedLineError,
    damage_as_setup_error,
    decode_all,
    errors_naming,
    make_folder,
    sync_directory,
    written_whole,
)

T = TypeVar("T")

_REMOVE_THE_LINE = "the journal was damaged or edited: `triptych repair` takes such lines out"


class JournalWriter:
    """Appends records to one journal. Not thread-safe: one writer, one thread at a time."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        self._path = path
        self._file = path.open("ab", buffering=0)
        with path.open("rb+") as there:
            cut_torn_tail(there)
        if path.stat().st_size == 0:  # new, or left empty by a crash
            sync_directory(path.parent)
        self._encoder = msgspec.json.Encoder()

    def commit(self, records: Iterable[msgspec.Struct]) -> None:
        """Append ``records`` and return when they are on disk (one fsync for all of them).

        An OSError closes the journal: nothing may follow a record that a full disk cut short.
        """
        content = memoryview(b"".join(sealed_line(self._encoder.encode(record)) for record in records))
        try:
            with errors_naming(self._path):
                while content:
                    content = content[self._file.write(content) :]
                os.fsync(self._file.fileno())
        except OSError:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_journal(path: Path, records: Iterable[msgspec.Struct]) -> None:
    """Replace the journal in ``path`` by one of ``records``, whole or not at all."""
    encoder = msgspec.json.Encoder()
    with written_whole(path) as file:
        file.writelines(sealed_line(encoder.encode(record)) for record in records)


def read_journal(path: Path, kind: type[T]) -> list[T]:
    """The records of a journal, in the order they were committed; none if there is no file.

    A last line without its newline is a torn write and is skipped. Raises SetupError if any other line is not
    a ``kind`` or has a wrong checksum: that is damage, not a crash.
    """
    return read_journal_from(path, kind, 0)[0]


def read_journal_from(path: Path, kind: type[T], start: int) -> tuple[list[T], int]:
    """The records from byte ``start`` on, and the byte where they end."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
    except FileNotFoundError:
        return [], start
    if not content.endswith(b"\n"):
        content = content[: content.rfind(b"\n") + 1]
    with damage_as_setup_error(path, _REMOVE_THE_LINE):
        return decode_all(content, kind, are_sealed=True), start + len(content)


class JournalLine(NamedTuple, Generic[T]):
    """One line of a journal, and its damage, if any."""

    number: int
    content: bytes
    record: T | None
    """None if the line is damaged."""
    damage: str | None


def journal_lines(path: Path, kind: type[T]) -> Iterator[JournalLine[T]]:
    """Every complete line, including damaged ones. Slower than ``read_journal``."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                (record,) = decode_all(line, kind, are_sealed=True)
                yield JournalLine(number, line, record, None)
            except DamagedLineError as damage:
                yield JournalLine(number, line, None, damage.what)


def cut_torn_tail(file: IO[bytes]) -> None:
    """Remove everything after the last newline of a file that is open for reading and writing."""
    end = file.seek(0, os.SEEK_END)
    keep = end
    while keep > 0:
        start = max(0, keep - 65536)
        file.seek(start)
        newline = file.read(keep - start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep < end:
        file.truncate(keep)
        os.fsync(file.fileno())
