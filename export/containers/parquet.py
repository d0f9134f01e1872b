"""Parquet, with columns derived from the type of a row.

Comes in: JSON lines, a Struct type. Goes out: a file with the schema of the type, even without rows. The
bytes depend on pyarrow's version, which the manifest names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from triptych.export.containers.container import CaptionedFiles, ContainerSpec, Sink, pyarrow

ROWS_A_GROUP = 4096
"""A row group is a few megabytes of captions, which is what a reader has in memory at a time."""


class _ParquetRows:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        pyarrow()
        import pyarrow.parquet as pq

        self._schema = arrow_schema(row_type)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._held: list[bytes] = []

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        self._held += lines.splitlines()
        while len(self._held) >= ROWS_A_GROUP:
            self._write_group(self._held[:ROWS_A_GROUP])
            self._held = self._held[ROWS_A_GROUP:]

    def close(self) -> None:
        if self._held:
            self._write_group(self._held)
        self._writer.close()

    def _write_group(self, lines: Sequence[bytes]) -> None:
        rows = [msgspec.json.decode(line) for line in lines]
        self._writer.write_table(pyarrow().Table.from_pylist(rows, schema=self._schema))


def _read(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    import pyarrow.parquet as pq

    encoder = msgspec.json.Encoder()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_A_GROUP):
            for row in batch.to_pylist():
                yield encoder.encode(row) + b"\n", ()


PARQUET = ContainerSpec(_ParquetRows, _read, needs_pyarrow=True)


def arrow_schema(row_type: type[msgspec.Struct]) -> Any:
    """The Arrow schema of a Struct of text, numbers, booleans, lists, tuples, optional fields and Structs.

    Raises TypeError for a field that is none of these.
    """
    struct = inspect.type_info(row_type)
    assert isinstance(struct, inspect.StructType)
    return pyarrow().schema([_arrow_field(field) for field in struct.fields])


def _arrow_field(field: inspect.Field) -> Any:
    """A column, or a field of a nested Struct. Nullable where it may be None."""
    kind, nullable = _without_none(field.type)
    return pyarrow().field(field.encode_name, _arrow_type(kind), nullable)


def _arrow_type(kind: inspect.Type) -> Any:
    pa = pyarrow()
    match kind:
        case inspect.StrType():
            return pa.string()
        case inspect.LiteralType(values=values) if all(isinstance(value, str) for value in values):
            return pa.string()
        case inspect.BoolType():
            return pa.bool_()
        case inspect.IntType():
            return pa.int64()
        case inspect.FloatType():
            return pa.float64()
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _arrow_list(item)
        case inspect.TupleType(item_types=items) if len(set(map(repr, items))) == 1:
            return _arrow_list(items[0])
        case inspect.StructType(fields=fields):
            return pa.struct([_arrow_field(field) for field in fields])
    raise TypeError(
        f"a row has a field of {kind}, which has no Arrow type here; expected text, numbers, booleans, lists,"
        " tuples of one kind, optional fields or Structs of these"
    )


def _arrow_list(item: inspect.Type) -> Any:
    return pyarrow().list_(_arrow_type(_without_none(item)[0]))


def _without_none(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """``kind`` without None, and whether it was optional."""
    if isinstance(kind, inspect.UnionType):
        kinds = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if len(kinds) == 1 and len(kinds) < len(kind.types):
            return kinds[0], True
    return kind, False
