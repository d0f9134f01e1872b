"""The interface of containers.

Not its job: which containers there are (see containers), opening and hashing the file (see rows_file).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from triptych.extras import require


class Sink(Protocol):
    """The file that a container writes to. It also has the methods that pyarrow needs."""

    def write(self, content: bytes) -> int: ...


class CaptionedFiles(NamedTuple):
    """The caption and images of a row, for containers that include images."""

    caption: str
    images: Sequence[bytes]
    """The bytes of each image file, in the order of the row."""
    name: str = ""
    """Unique in the export."""


class Container(Protocol):
    """Writes rows in one file type."""

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        """Add rows, with the files of each row if the container includes images."""

    def close(self) -> None:
        """Write what is buffered; the file itself stays open."""


class ContainerSpec(NamedTuple):
    """One file type."""

    open: Callable[[Sink, type[msgspec.Struct]], Container]
    """Begin a container in an open file, for rows of a type."""
    read: Callable[[Path], Iterator[tuple[bytes, Sequence[bytes]]]]
    """The rows of a file as JSON lines, in order, each with the images that the file has of it. Raises
    OSError or ValueError where it is damaged."""
    needs_pyarrow: bool = False
    holds_images: bool = False
    """Whether the images are included in the file."""
    image_fields: Callable[[CaptionedFiles], Sequence[str]] | None = None
    """The names of a row's images for readers, where they depend on the images."""
    rows_a_file: int = 0
    """The default number of rows in a file; 0: all."""
    hint: str = ""
    """For the card: what is in the file."""

    def lines(self, path: Path) -> Iterator[bytes]:
        """The rows of a file without images."""
        return (line for line, _ in self.read(path))


def pyarrow() -> Any:
    """pyarrow, imported only when it is needed. Raises SetupError where it isn't installed."""
    require("arrow", "pyarrow", what="export.file_type jsonl.zst or parquet", instead="export plain jsonl")
    import pyarrow

    return pyarrow
