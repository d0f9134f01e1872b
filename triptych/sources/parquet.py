"""Parquet files as shards of images.

Comes in: ``.parquet`` files. Goes out: shards of whole row groups, or the reason why a file holds no images.
The key of an image is ``<file without .parquet>/<row>``, counted from 0; in a column of lists a number in the
row follows. Memory: one page of the column to read through a file (of a remote one a row group and
IMAGES_AHEAD images); CACHED_ROW_GROUPS row groups to read images again. Images of larger row groups are
copied to a file. Not its job: choosing the column (see parquet_columns), footers (see parquet_footers),
writing Parquet (see export).
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from typing import IO, Any

from triptych.errors import SetupError
from triptych.sources.file_names import PathFilter
from triptych.sources.loose_files import FILES_PER_SHARD
from triptych.sources.parquet_columns import ImageColumn
from triptych.sources.parquet_footers import (
    READ_AHEAD_BYTES,
    Footer,
    parquet_file,
    read_footers,
    why_unreadable,
)
from triptych.sources.prefetching import prefetched
from triptych.sources.regular_files import MAX_FILE_BYTES
from triptych.sources.remote_storage import is_url
from triptych.sources.shard import Archive, FoundFile, Shard, UnreadableArchive
from triptych.sources.unpacking import UnpackedFile

MAX_BATCH_ROWS, BATCH_BYTES = 16, 64 * 1024**2
"""Of a batch, when a row group is read through."""

MAX_ROW_GROUP_BYTES = 128 * 1024**2
"""Of uncompressed images. To read one image again, its row group is read, at a peak of 4.3 times its size in
memory (pyarrow 26, 400 values of 1 MB). `datasets` writes about 100 rows a group."""

IMAGES_AHEAD = 128
"""How many images of a remote file are prefetched: more than a row group of `datasets` has, which is 100."""

CACHED_ROW_GROUPS = 2
"""Kept in memory for images that are read again: those of a set may be in two row groups."""


class ParquetShard:
    """Whole row groups of one file. ``read`` is thread-safe."""

    def __init__(self, name: str, archive: Archive, footer: Footer, groups: range) -> None:
        assert footer.column is not None
        self.name = name
        self._prefix, self._key, self._path = archive.name, archive.key, archive.path
        self._column, self._groups = footer.column, groups
        starts = [0, *accumulate(footer.group_rows)]
        self._starts = starts[groups.start : groups.stop + 1]
        self._group_bytes = footer.group_bytes[groups.start : groups.stop]
        self.file_count = sum(footer.group_images[groups.start : groups.stop])
        self._size_bytes, self._modified_ns = archive.size_and_time
        self._rows_of_column = f"rows {self._starts[0]} to {self._starts[-1]} of {self._column.name}"
        self.archive_key = f"{archive.key}{f'#{self._starts[0]}' if name != archive.name else ''}"

    def fingerprint(self) -> str:
        return f"{self._key}\t{self._rows_of_column}\t{self._size_bytes}\t{self._modified_ns}"

    def files(self) -> Iterator[FoundFile]:
        """A file for every image, in row order, and one for the remaining rows of a damaged row group.

        Remote files are prefetched.
        """
        if is_url(self._path) and max(self._group_bytes) <= MAX_ROW_GROUP_BYTES:
            # A buffer would only cost another copy of each page: 0.6 ms of CPU time per MB.
            return prefetched(self._files(buffer_bytes=0), IMAGES_AHEAD)
        return self._files(READ_AHEAD_BYTES)

    def _files(self, buffer_bytes: int) -> Iterator[FoundFile]:
        row = self._starts[0]
        try:
            with parquet_file(
                self._path, buffer_size=buffer_bytes, pre_buffer=False, page_checksum_verification=True
            ) as file:
                for at, end in enumerate(self._starts[1:]):
                    try:
                        for contents in islice(self._rows(file, at), end - row):
                            yield from self._found(row, contents)
                            row += 1
                        if row < end:
                            raise ValueError("there are fewer rows than it says")
                    except SetupError:  # the storage
                        raise
                    except Exception as error:  # pyarrow raises anything on damaged bytes
                        yield self._lost(row, end, error)
                        row = end
        except SetupError:
            raise
        except Exception as error:
            yield self._lost(row, self._starts[-1], error)

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        row_text, _, number_text = key.removeprefix(f"{self._prefix}/").partition("/")
        row, number = int(row_text), int(number_text or 0)
        group = bisect.bisect_right(self._starts, row) - 1
        with _read_lock:
            values = _row_group(self._path, self._groups[group], self._column)
        within = row - self._starts[group]
        contents = self._column.contents(values[within].as_py()) if within < len(values) else []
        content = contents[number] if number < len(contents) else None
        if content is None:
            raise OSError(f"{self._path} has no image in row {row} any more")
        return content

    def column(self, name: str) -> Iterator[tuple[str, object]]:
        """See texts.HasColumns."""
        row = self._starts[0]
        try:
            with parquet_file(self._path, in_ranges=True) as file:
                if name not in file.schema_arrow.names:
                    return
                for batch in file.iter_batches(1024, list(self._groups), [name], use_threads=False):
                    for value in batch.column(0):
                        yield f"{self._prefix}/{row}", value.as_py()
                        row += 1
        except SetupError:  # the storage
            raise
        except Exception:  # pyarrow raises anything on damaged bytes
            return

    def _rows(self, file: Any, at: int) -> Iterator[list[bytes | None]]:
        """The images of each row of the row group at this index."""
        rows = self._starts[at + 1] - self._starts[at]
        at_once = BATCH_BYTES * rows // max(1, self._group_bytes[at])
        batches = file.iter_batches(
            max(1, min(at_once, MAX_BATCH_ROWS)),
            [self._groups[at]],
            [self._column.leaf],
            use_threads=False,
        )
        for batch in batches:
            for value in batch.column(0):
                yield self._column.contents(value.as_py())

    def _found(self, row: int, contents: Sequence[bytes | None]) -> Iterator[FoundFile]:
        for number, content in enumerate(contents):
            key = f"{self._prefix}/{row}/{number}" if self._column.is_list else f"{self._prefix}/{row}"
            if content is None:
                reason = "no image: the row holds no bytes, at most a path to them"
                yield FoundFile(key=key, unreadable=reason)
            elif len(content) > MAX_FILE_BYTES:
                yield FoundFile(key=key, unreadable=f"too large: {len(content):,} bytes")
            else:
                yield FoundFile(key=key, content=content)

    def _lost(self, row: int, end: int, error: Exception) -> FoundFile:
        reason = f"{why_unreadable(error)}; rows {row} to {end - 1} are lost"
        return FoundFile(key=f"{self._key}#{row}", unreadable=reason)


class CopiedParquetShard(ParquetShard):
    """Row groups that are too large to read for one image: their images are copied to a file."""

    def __init__(self, name: str, archive: Archive, footer: Footer, groups: range) -> None:
        super().__init__(name, archive, footer, groups)
        copy = archive.unpack_to / f"{name}.images"
        self._copy = UnpackedFile(archive.path, copy, self._write_images, part=self._rows_of_column)

    def files(self) -> Iterator[FoundFile]:
        with self._copy.open():
            offset_bytes = 0
            for file in super().files():
                if file.unreadable is not None:
                    yield file
                    continue
                yield FoundFile(key=file.key, content=file.content, offset_bytes=offset_bytes)
                offset_bytes += len(file.content)

    def remove_changed_copy(self) -> None:
        self._copy.remove_if_changed()

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        with self._copy.open() as copy:
            copy.seek(offset_bytes or 0)
            content = copy.read(size_bytes)
        if len(content) < size_bytes or offset_bytes is None:
            raise OSError(f"{self._path} has no image {key} any more")
        return content

    def _write_images(self, copy: IO[bytes]) -> None:
        for file in super().files():
            copy.write(file.content)


def open_parquet(archives: Sequence[Archive]) -> Iterator[Sequence[Shard] | str]:
    """The shards of each file, or why it holds no images. Raises SetupError if pyarrow is missing."""
    footers = read_footers([(archive.path, _wanted_column(archive)) for archive in archives])
    return map(_shards, archives, footers)


def _wanted_column(archive: Archive) -> str | None:
    """The image column that the user set for this file or for all."""
    config = archive.config.parquet
    for pattern, column in config.image_columns.items():
        if PathFilter(exclude=(pattern,)).excludes(archive.key):
            return column
    return config.image_column


def _shards(archive: Archive, footer: Footer) -> Sequence[Shard] | str:
    """Shards of up to FILES_PER_SHARD images each, but at least one row group."""
    if footer.no_images:
        return f"not an image: {footer.no_images}"
    if footer.column is None:
        empty = archive.size_and_time[0] == 0
        reason = "empty archive: the file has no bytes" if empty else footer.damage
        return [UnreadableArchive(archive, reason)]
    images = [0, *accumulate(footer.group_images)]
    if images[-1] == 0:
        return [UnreadableArchive(archive, "empty archive: it has no rows")]
    shards: list[Shard] = []
    first = row = 0
    while first < len(footer.group_rows):
        end = max(bisect.bisect_right(images, images[first] + FILES_PER_SHARD) - 1, first + 1)
        # The first shard keeps its name when the file grows.
        name = archive.name if first == 0 else f"{archive.name}/rows-{row:09d}"
        fits = max(footer.group_bytes[first:end]) <= MAX_ROW_GROUP_BYTES
        kind = ParquetShard if fits else CopiedParquetShard
        shards.append(kind(name, archive, footer, range(first, end)))
        row += sum(footer.group_rows[first:end])
        first = end
    return shards


_read_lock = threading.Lock()
"""Other threads mostly wait for the same row group."""


@lru_cache(CACHED_ROW_GROUPS)
def _row_group(path: str, group: int, column: ImageColumn) -> Any:
    """A row group's images as an Arrow array. Raises OSError if they can't be read."""
    try:
        with parquet_file(path, in_ranges=True) as file:
            return file.read_row_group(group, [column.leaf], use_threads=False).column(0)
    except SetupError:
        raise
    except Exception as error:
        raise OSError(f"{path}: {why_unreadable(error)}") from None
