"""What rows lie in: JSON Lines as they are, compressed, or Parquet.

Comes in: rows as JSON lines, and the type of a row. Goes out: bytes in a file that was opened for it, and
lines from such a file. To add one: a file with the two classes or functions of a ContainerSpec, and a line
here. Not its job: what stands in a row (see formats), what the file is called.
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.export.containers.container import ContainerSpec
from triptych.export.containers.json_lines import JSON_LINES, ZSTD_LINES
from triptych.export.containers.parquet import PARQUET

CONTAINERS: Mapping[str, ContainerSpec] = {
    "jsonl": JSON_LINES,
    "jsonl.zst": ZSTD_LINES,
    "parquet": PARQUET,
}
"""By the ending of the file's name."""
