"""JSON Lines, plain or in one zstd frame, and one JSON array for tools that can't import JSON Lines.

The array has a line for each row. The compressed bytes depend on pyarrow's version, which the manifest names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from triptych.export.containers.container import CaptionedFiles, ContainerSpec, Sink, pyarrow


class _JsonLines:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        self._file = file

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        self._file.write(lines)

    def close(self) -> None:
        pass


class _ZstdLines:
    def __init__(self, file: Sink, row_type: type[msgspec.Struct]) -> None:
        pa = pyarrow()
        self._stream = pa.CompressedOutputStream(pa.PythonFile(file, "w"), "zstd")

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        self._stream.write(lines)

    def close(self) -> None:
        self._stream.close()


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


def _read_plain(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    with path.open("rb") as file:
        yield from ((line, ()) for line in file)


def _read_zstd(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    with pyarrow().input_stream(str(path), compression="zstd") as stream:
        rest = b""
        while block := stream.read(1 << 20):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield line + b"\n", ()
        if rest:
            yield rest, ()


def _read_array(path: Path) -> Iterator[tuple[bytes, Sequence[bytes]]]:
    for line, _ in _read_plain(path):
        if line not in (b"[\n", b"]\n", b"[]\n"):
            yield line.removesuffix(b"\n").removesuffix(b",") + b"\n", ()


JSON_LINES = ContainerSpec(_JsonLines, _read_plain)
ZSTD_LINES = ContainerSpec(_ZstdLines, _read_zstd, needs_pyarrow=True)
JSON_ARRAY = ContainerSpec(_JsonArray, _read_array)
