"""What every container offers.

Not its job: which containers there are (see containers), opening and hashing the file (see rows_file).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from triptych.extras import require


class Sink(Protocol):
    """The file below a container. Has what pyarrow asks of a Python file besides."""

    def write(self, content: bytes) -> int: ...


class CaptionedFiles(NamedTuple):
    """What a row is of, for containers that hold images."""

    caption: str
    images: Sequence[bytes]
    """The bytes of each image's file, in the order of the row."""
    name: str = ""
    """That no other row of the export has."""


class Container(Protocol):
    """What lies between lines and the bytes of a file."""

    def write(self, lines: bytes, files: Iterable[CaptionedFiles] = ()) -> None:
        """Add rows; ``files`` are those of each, where the container holds images."""

    def close(self) -> None:
        """Write what is still held back; the file below stays open."""


class ContainerSpec(NamedTuple):
    """One kind of file."""

    open: Callable[[Sink, type[msgspec.Struct]], Container]
    """A new container in an open file, for rows of a type."""
    read: Callable[[Path], Iterator[bytes]]
    """The rows of a file as JSON lines, in order. Raises OSError or ValueError where it is damaged."""
    needs_pyarrow: bool = False
    read_images: Callable[[Path], Iterator[Sequence[bytes]]] | None = None
    """The images of each row, in order; None where the container holds none."""
    image_fields: Callable[[CaptionedFiles], Sequence[str]] | None = None
    """What readers call the images of a row, where that depends on them."""
    rows_a_file: int = 0
    """Where nobody says otherwise; 0: all."""
    hint: str = ""
    """For the card: what a reader finds in the file."""

    @property
    def holds_images(self) -> bool:
        """Whether the images go into the file as well."""
        return self.read_images is not None


def pyarrow() -> Any:
    """The library, imported where it is first needed. Raises SetupError where it isn't installed."""
    require("arrow", "pyarrow", what="export.file_type jsonl.zst or parquet", instead="export plain jsonl")
    import pyarrow

    return pyarrow
