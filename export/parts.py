"""Writes the rows of one job to one file, or to parts with a fixed number of rows.

Comes in: the rows of a job, shard by shard. Goes out: files on disk with their sizes and checksums. Where a
part ends depends on the count of rows alone. Not its job: the final names of the files (see manifest).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from triptych.export.containers import CONTAINERS
from triptych.export.containers.container import CaptionedFiles
from triptych.export.containers.rows_file import RowsFile
from triptych.export.manifest import FileEntry


class Parts:
    """A writer for the parts of a job. Use as a context manager; ``entries`` is complete at its end."""

    def __init__(
        self,
        path_of: Callable[[int], Path],
        file_type: str,
        row_type: type[msgspec.Struct],
        *,
        job: str,
        rows_a_file: int,
    ) -> None:
        """``path_of`` maps the number of a part, from 0, to its path. ``rows_a_file`` 0: one file."""
        self._path_of, self._file_type, self._row_type = path_of, file_type, row_type
        self._job, self._rows_a_file = job, rows_a_file
        self._rows_before = 0
        """The rows of earlier parts."""
        self.entries: list[FileEntry] = []
        """The parts that are on disk, in order."""
        self._open(0)

    def write(self, lines: bytes, rewritten: Sequence[int], files: Iterable[CaptionedFiles] = ()) -> None:
        """Add rows. ``rewritten`` are the indexes of those whose text contained a reserved word. Raises
        OSError, for example on a full disk."""
        if not self._rows_a_file:
            self._write(lines, lines.count(b"\n"), len(rewritten), files)
            return
        rows, files = lines.splitlines(keepends=True), iter(files)
        start = 0
        while start < len(rows):
            if self._rows == self._rows_a_file:
                self._finish_part()
                self._open(len(self.entries))
            end = min(len(rows), start + self._rows_a_file - self._rows)
            count = sum(start <= row < end for row in rewritten)
            self._write(b"".join(rows[start:end]), end - start, count, islice(files, end - start))
            start = end

    def _write(self, lines: bytes, rows: int, rewritten: int, files: Iterable[CaptionedFiles]) -> None:
        first = self._rows_before + self._rows
        self._file.write(lines, (self._named(each, at) for at, each in enumerate(files, first)))
        self._rows += rows
        self._rewritten += rewritten

    def _named(self, files: CaptionedFiles, row: int) -> CaptionedFiles:
        if fields := CONTAINERS[self._file_type].image_fields:
            self._image_fields.update(fields(files))
        return files._replace(name=f"{self._job}-{row:09d}")

    def _open(self, number: int) -> None:
        self._file = RowsFile(self._path_of(number), self._file_type, self._row_type)
        self._rows = self._rewritten = 0
        self._image_fields = set[str]()

    def _finish_part(self) -> None:
        with self._file:
            pass
        self._rows_before += self._rows
        self.entries.append(
            FileEntry(
                sha256=self._file.sha256,
                size_bytes=self._file.size_bytes,
                job=self._job,
                rows=self._rows,
                rewritten=self._rewritten,
                image_fields=tuple(sorted(self._image_fields)),
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish_part()
        else:
            self._file.__exit__(kind, error, trace)
