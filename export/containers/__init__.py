"""File types for rows: plain or compressed JSON Lines, tables, and files that include the images.

Comes in: rows as JSON lines, and the type of a row. Goes out: bytes in an open file, and lines from such a
file. To add one: a file with a ContainerSpec, and a line here. Not its job: the content of rows (see
formats), file names (see manifest).
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.export.containers.container import ContainerSpec
from triptych.export.containers.csv_table import CSV_TABLE
from triptych.export.containers.json_lines import JSON_ARRAY, JSON_LINES, ZSTD_LINES
from triptych.export.containers.parquet import PARQUET
from triptych.export.containers.parquet_images import PARQUET_IMAGES
from triptych.export.containers.webdataset import TAR

CONTAINERS: Mapping[str, ContainerSpec] = {
    "jsonl": JSON_LINES,
    "jsonl.zst": ZSTD_LINES,
    "parquet": PARQUET,
    "images.parquet": PARQUET_IMAGES,
    "tar": TAR,
    "json": JSON_ARRAY,
    "csv": CSV_TABLE,
}
"""By the extension of the file."""
