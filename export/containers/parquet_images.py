"""Parquet that includes the images, as the Hub displays and `datasets` decodes it.

Comes in: rows with their images. Goes out: the columns of the row's type, with ``{bytes, path}`` in place of
paths, and a schema that marks these as images. The size of row groups is limited by image bytes, so that
readers need little memory. Not its job: other Parquet files (see parquet).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from triptych.export.containers.container import CaptionedFiles, ContainerSpec, Sink, pyarrow
from triptych.export.containers.parquet import arrow_schema

GROUP_BYTES = 32 * 1024 * 1024
"""Image bytes in a row group; its last row may exceed them."""

PATH_FIELDS = ("image", "images")
"""The formats' fields for the paths of images."""

_IMAGE = {"_type": "Image"}


class _ParquetImages:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        pyarrow()
        import pyarrow.parquet as pq

        self._field, self._schema = _schema_with_images(row_type)
        # Images are already compressed, and no two are equal.
        self._writer = pq.ParquetWriter(
            file, self._schema, compression="snappy", use_dictionary=False, write_statistics=False
        )
        self._held: list[dict[str, Any]] = []
        self._held_bytes = 0

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        for line, of_row in zip(lines.splitlines(), files, strict=True):
            row = msgspec.json.decode(line)
            paths = row[self._field]
            if isinstance(paths, list):
                images = [{"bytes": b, "path": p} for b, p in zip(of_row.images, paths, strict=True)]
                self._held.append(row | {self._field: images})
            else:
                self._held.append(row | {self._field: {"bytes": of_row.images[0], "path": paths}})
            self._held_bytes += sum(map(len, of_row.images))
            if self._held_bytes >= GROUP_BYTES:
                self._write_group()

    def close(self) -> None:
        if self._held:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(pyarrow().Table.from_pylist(self._held, schema=self._schema))
        self._held, self._held_bytes = [], 0


def _schema_with_images(row_type: type[msgspec.Struct]) -> tuple[str, Any]:
    """The name of the field for images, and the Arrow schema."""
    pa = pyarrow()
    schema = arrow_schema(row_type)
    field = next(name for name in PATH_FIELDS if name in schema.names)
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    is_list = pa.types.is_list(schema.field(field).type)
    column = pa.field(field, pa.list_(image) if is_list else image)
    feature = {"feature": _IMAGE, "_type": "List"} if is_list else _IMAGE
    features = json.dumps({"info": {"features": {field: feature}}})
    return field, schema.set(schema.names.index(field), column).with_metadata({"huggingface": features})


def _read(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    import pyarrow.parquet as pq

    encoder = msgspec.json.Encoder()
    with pq.ParquetFile(path) as file:
        field = next(name for name in PATH_FIELDS if name in file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=64):
            for row in batch.to_pylist():
                images = row[field] if isinstance(row[field], list) else [row[field]]
                paths = [each["path"] for each in images]
                line = encoder.encode(row | {field: paths if isinstance(row[field], list) else paths[0]})
                yield line + b"\n", [each["bytes"] for each in images]


PARQUET_IMAGES = ContainerSpec(
    _ParquetImages,
    _read,
    needs_pyarrow=True,
    holds_images=True,
    rows_a_file=10_000,
    hint="Parquet with the images inside: the column of paths has `bytes` beside each `path`, and `datasets`"
    " decodes it.",
)
