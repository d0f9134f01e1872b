"""One JSON array, with a line for each row, for tools that can't import JSON Lines.

Not its job: the content of rows (see formats).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from triptych.export.containers.container import CaptionedFiles, ContainerSpec, Sink


class _JsonArray:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        self._file = file
        self._before = b"[\n"

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        if lines:
            self._file.write(self._before + lines.removesuffix(b"\n").replace(b"\n", b",\n"))
            self._before = b",\n"

    def close(self) -> None:
        self._file.write(b"\n]\n" if self._before == b",\n" else b"[]\n")


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line not in (b"[\n", b"]\n", b"[]\n"):
                yield line.removesuffix(b"\n").removesuffix(b",") + b"\n"


JSON_ARRAY = ContainerSpec(_JsonArray, _read)
