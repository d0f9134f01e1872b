"""Parquet files for tests of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_parquet(path: Path, columns: dict[str, object], rows_a_group: int = 100, **metadata: str) -> Path:
    """Write a file with these columns, and ``metadata`` in its schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if metadata:
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=rows_a_group)
    return path


def image_structs(contents: Sequence[bytes | None]) -> pa.Array:
    """A column of images as the datasets library writes it."""
    return pa.array(
        [{"bytes": content, "path": f"{n}.jpg"} for n, content in enumerate(contents)],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
