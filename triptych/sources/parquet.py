"""Parquet files with an image column as shards; the one place that reads images with pyarrow.

Comes in: a ``.parquet`` file. Goes out: shards of whole row groups, or one line that says why it isn't clear
which column holds the images. The key of an image is ``<file without .parquet>/<row>``, counted from 0, so
that it is found again without an index. Memory: a few rows to go through a file, KEPT_ROW_GROUPS row groups
to read images again. Not its job: Parquet that Triptych writes (see export).
"""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from triptych.errors import UsageError
from triptych.sources.loose_files import FILES_PER_SHARD
from triptych.sources.pyarrow_extra import import_pyarrow
from triptych.sources.regular_files import size_of
from triptych.sources.shard import Archive, FoundFile, Shard, UnreadableArchive

ROWS_AT_ONCE = 16
"""Read of a row group at a time when all of it is gone through."""

READ_AHEAD_BYTES = 1024 * 1024
"""Of a column that is gone through: without it, pyarrow reads all of a row group's column at once."""

MAX_ROW_GROUP_BYTES = 512 * 1024**2
"""Of images, uncompressed. To read one of them again, its row group has to be read, which took 4.3 times
as much memory for a moment (pyarrow 26, 400 values of 1 MB). `datasets` writes about 100 rows a group."""

KEPT_ROW_GROUPS = 2
"""Whose images stay in memory for the next that is read again: a set's images may lie in two."""


class ParquetShard:
    """Whole row groups of one file. Reading again is for any number of threads."""

    def __init__(
        self, name: str, archive: Archive, column: ImageColumn, first_group: int, starts: Sequence[int]
    ) -> None:
        """``starts``: the first row of each group in the file, and the end."""
        self.name = name
        self._prefix, self._key, self._path = archive.name, archive.key, archive.path
        self._column = column
        self._first_group, self._starts = first_group, starts
        self.file_count = starts[-1] - starts[0]
        self._size_bytes = size_of(archive.path)
        self.archive_key = f"{archive.key}{f'#{starts[0]}' if name != archive.name else ''}"

    def fingerprint(self) -> str:
        rows = f"rows {self._starts[0]} to {self._starts[-1]} of {self._column.name}"
        return f"{self._key}\t{rows}\t{self._size_bytes}"

    def files(self) -> Iterator[FoundFile]:
        """A file for every row, in row order; where a row group breaks off, one for its other rows."""
        pa = import_pyarrow(self._path)
        row = self._starts[0]
        try:
            with pa.parquet.ParquetFile(self._path, buffer_size=READ_AHEAD_BYTES, pre_buffer=False) as file:
                for at, end in enumerate(self._starts[1:]):
                    try:
                        for content in self._images(file, self._first_group + at):
                            yield self._found(row, content)
                            row += 1
                    except (OSError, pa.ArrowException) as error:
                        yield self._lost(row, end, error)
                        row = end
        except (OSError, pa.ArrowException) as error:
            yield self._lost(row, self._starts[-1], error)

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        row = int(key.rpartition("/")[2])
        group = bisect.bisect_right(self._starts, row) - 1
        images = _row_groups.images(self._path, self._first_group + group, self._column)
        found = row - self._starts[group]
        content = images[found].as_py() if found < len(images) else None
        if content is None:
            raise OSError(f"{self._path} has no image in row {row} any more")
        return bytes(content)

    def _images(self, file: Any, group: int) -> Iterator[bytes | None]:
        for batch in file.iter_batches(ROWS_AT_ONCE, [group], [self._column.leaf], use_threads=False):
            column = batch.column(0)
            for value in column.field("bytes") if self._column.in_struct else column:
                yield value.as_py()

    def _found(self, row: int, content: bytes | None) -> FoundFile:
        key = f"{self._prefix}/{row}"
        if content is None:
            return FoundFile(key=key, unreadable="no image: the row holds no bytes, at most a path to them")
        return FoundFile(key=key, content=content)

    def _lost(self, row: int, end: int, error: Exception) -> FoundFile:
        reason = f"{why_unreadable(error)}; rows {row} to {end - 1} are lost"
        return FoundFile(key=f"{self._key}#{row}", unreadable=reason)


def open_parquet(archive: Archive) -> Sequence[Shard] | str:
    """The shards of one file, of up to FILES_PER_SHARD rows as far as its row groups allow; or why it holds
    no images, or not clearly where.

    Raises UsageError where a row group has too many; SetupError where pyarrow is missing.
    """
    path = archive.path
    wanted = archive.config.parquet.image_column
    pa = import_pyarrow(path)
    try:
        with pa.parquet.ParquetFile(path) as file:
            column = find_image_column(file.schema_arrow, wanted if isinstance(wanted, str) else None)
            metadata = file.metadata
    except (OSError, pa.ArrowException) as error:
        reason = "empty archive: the file has no bytes" if size_of(path) == 0 else why_unreadable(error)
        return [UnreadableArchive(archive, reason)]
    if isinstance(column, str):
        return f"not an image: {column}"
    starts = [0]
    for group in range(metadata.num_row_groups):
        _refuse_too_large(metadata.row_group(group), column, path)
        starts.append(starts[-1] + metadata.row_group(group).num_rows)
    if starts[-1] == 0:
        return [UnreadableArchive(archive, "empty archive: it has no rows")]
    if starts[-1] <= FILES_PER_SHARD:
        return [ParquetShard(archive.name, archive, column, 0, starts)]
    shards: list[Shard] = []
    first = 0
    while first < len(starts) - 1:
        end = max(bisect.bisect_right(starts, starts[first] + FILES_PER_SHARD) - 1, first + 1)
        piece = f"{archive.name}/rows-{starts[first]:09d}"
        shards.append(ParquetShard(piece, archive, column, first, starts[first : end + 1]))
        first = end
    return shards


def _refuse_too_large(group: Any, column: ImageColumn, path: str) -> None:
    for at in range(group.num_columns):
        chunk = group.column(at)
        if chunk.path_in_schema == column.leaf and chunk.total_uncompressed_size > MAX_ROW_GROUP_BYTES:
            raise UsageError(
                f"{path} has {chunk.total_uncompressed_size // 1024**2:,} MiB of images in one row group;"
                f" expected at most {MAX_ROW_GROUP_BYTES // 1024**2:,}, as all are read to find one of them"
                " again: write it with smaller ones (to_parquet(..., row_group_size=100))"
            )


class _RowGroups:
    """The images of the row groups that were read last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, ImageColumn], Any] = OrderedDict()

    def images(self, path: str, group: int, column: ImageColumn) -> Any:
        """A row group's images as an Arrow array. Raises OSError where they can't be read any more.

        One thread reads at a time: the others mostly wait for the same row group.
        """
        with self._lock:
            name = (path, group, column)
            if name not in self._kept:
                while len(self._kept) >= KEPT_ROW_GROUPS:
                    self._kept.popitem(last=False)
                self._kept[name] = _read_group(path, group, column)
            self._kept.move_to_end(name)
            return self._kept[name]


_row_groups = _RowGroups()


def _read_group(path: str, group: int, column: ImageColumn) -> Any:
    pa = import_pyarrow(path)
    try:
        with pa.parquet.ParquetFile(path) as file:
            if group >= file.metadata.num_row_groups:
                raise OSError(f"{path} has no row group {group} any more")
            values = file.read_row_group(group, [column.leaf], use_threads=False).column(0)
    except (pa.ArrowException, KeyError) as error:
        raise OSError(f"{path}: {why_unreadable(error)}") from None
    if column.in_struct:
        values = pa.chunked_array([chunk.field("bytes") for chunk in values.chunks], pa.binary())
    return values


def why_unreadable(error: Exception) -> str:
    """The reason that a record keeps. pyarrow raises OSError without a number where bytes make no sense."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"read error: {error.strerror}"
    return f"damaged archive: {' '.join(str(error).split())[:200]}"


class ImageColumn(msgspec.Struct, frozen=True):
    """Where a file's images are. ``in_struct``: in the field ``bytes``, as `datasets` writes them."""

    name: str
    in_struct: bool

    @property
    def leaf(self) -> str:
        """The one column of bytes that is read."""
        return f"{self.name}.bytes" if self.in_struct else self.name


def find_image_column(schema: Any, wanted: str | None) -> ImageColumn | str:
    """The column ``wanted``; else the only one that `datasets` declares as images; else the only struct
    with ``bytes``; else the only one of bytes. Where there is none or more than one, what there is."""
    structs = [field.name for field in schema if _is_image_struct(field.type)]
    binaries = [field.name for field in schema if _is_bytes(field.type)]
    holding_bytes = structs + binaries
    if wanted is not None:
        if wanted in holding_bytes:
            return ImageColumn(wanted, wanted in structs)
        return f"no column {wanted} of bytes, found {_described(schema)}"
    declared = [name for name in _declared(schema) if name in holding_bytes]
    for candidates in (declared, structs, binaries):
        if len(candidates) == 1:
            return ImageColumn(candidates[0], candidates[0] in structs)
        if candidates:
            return (
                f"{len(candidates)} columns that may hold images: {_listed(candidates)};"
                " name one with --image-column"
            )
    return f"no column of bytes, found {_described(schema)}"


def _declared(schema: Any) -> list[str]:
    """The columns that the metadata of `datasets` calls images."""
    try:
        declaration = msgspec.json.decode((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = declaration["info"]["features"]
        return [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return []


def _is_image_struct(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_struct(kind)) and any(
        field.name == "bytes" and _is_bytes(field.type) for field in kind.fields
    )


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _described(schema: Any) -> str:
    return _listed([f"{field.name} ({field.type})" for field in schema]) or "no columns"


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
