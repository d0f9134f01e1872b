"""Rows in Parquet, and JSON Lines compressed with zstd; the one place that imports pyarrow.

Comes in: JSON lines. Goes out: bytes in a file that was opened for it, and lines from such a file. The
bytes depend on pyarrow's version, which the manifest names. Not its job: plain JSON Lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from triptych.errors import SetupError
from triptych.export.rows_file import HashedFile, Rows

ROWS_A_GROUP = 4096
"""Of a Parquet row group: a few megabytes of captions, which is what a reader holds at a time."""


def require_pyarrow() -> None:
    """Raises SetupError where pyarrow isn't installed."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise SetupError(
            "export.file_type jsonl.zst and parquet need pyarrow, which isn't installed;"
            " install triptych[arrow], or export plain jsonl"
        ) from None


class ZstdLines:
    """JSON Lines in one zstd frame."""

    def __init__(self, file: HashedFile) -> None:
        import pyarrow as pa

        self._stream = pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd")

    def write(self, lines: Rows) -> None:
        self._stream.write(lines)

    def close(self) -> None:
        self._stream.close()


class ParquetRows:
    """A Parquet file, a row group every ROWS_A_GROUP rows."""

    def __init__(self, file: HashedFile, row_type: type[msgspec.Struct]) -> None:
        import pyarrow.parquet as pq

        self._schema = _schema(row_type)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[bytes] = []

    def write(self, lines: Rows) -> None:
        self._held += bytes(lines).splitlines()
        while len(self._held) >= ROWS_A_GROUP:
            self._write_group(self._held[:ROWS_A_GROUP])
            self._held = self._held[ROWS_A_GROUP:]

    def close(self) -> None:
        if self._held:
            self._write_group(self._held)
        self._writer.close()

    def _write_group(self, lines: Sequence[bytes]) -> None:
        import pyarrow as pa

        rows = [msgspec.json.decode(line) for line in lines]
        self._writer.write_table(pa.Table.from_pylist(rows, schema=self._schema))


def read_zstd(path: Path) -> Iterator[bytes]:
    """The lines of a compressed JSON Lines file."""
    import pyarrow as pa

    with pa.input_stream(str(path), compression="zstd") as stream:
        rest = b""
        while block := stream.read(1 << 20):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line + b"\n"
        if rest:
            yield rest


def read_parquet(path: Path) -> Iterator[bytes]:
    """The rows of a Parquet file as JSON lines."""
    import pyarrow.parquet as pq

    encoder = msgspec.json.Encoder()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_A_GROUP):
            for row in batch.to_pylist():
                yield encoder.encode(row) + b"\n"


def _schema(row_type: type[msgspec.Struct]) -> Any:
    import pyarrow as pa

    struct = _arrow_type(msgspec.inspect.type_info(row_type))
    return pa.schema([struct.field(index) for index in range(struct.num_fields)])


def _arrow_type(kind: msgspec.inspect.Type) -> Any:
    """The Arrow type of a row, of one of its fields, or of what a list in it holds."""
    import pyarrow as pa

    match kind:
        case msgspec.inspect.StrType():
            return pa.string()
        case msgspec.inspect.IntType():
            return pa.int64()
        case msgspec.inspect.ListType(item_type=item):
            return pa.list_(_arrow_type(item))
        case msgspec.inspect.TupleType(item_types=items):
            return pa.list_(_arrow_type(items[0]))
        case msgspec.inspect.StructType(fields=fields):
            return pa.struct([pa.field(f.encode_name, _arrow_type(f.type), False) for f in fields])
    raise TypeError(f"a row has a field of a kind that Parquet was not asked for before: {kind}")
