"""What every container offers.

Not its job: which containers there are (see containers), opening and hashing the file (see rows_file).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from triptych.errors import SetupError


class Sink(Protocol):
    """The file below a container. Has what pyarrow asks of a Python file besides."""

    def write(self, content: bytes) -> int: ...


class Container(Protocol):
    """What lies between lines and the bytes of a file."""

    def write(self, lines: bytes) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what is still held back; the file below stays open."""


class ContainerSpec(NamedTuple):
    """One kind of file."""

    open: Callable[[Sink, type[msgspec.Struct]], Container]
    """A new container in an open file, for rows of a type."""
    read: Callable[[Path], Iterator[bytes]]
    """The rows of a file as JSON lines, in order. Raises OSError or ValueError where it is damaged."""
    needs_pyarrow: bool


def pyarrow() -> Any:
    """The library, imported where it is first needed. Raises SetupError where it isn't installed."""
    try:
        import pyarrow
    except ImportError:
        raise SetupError(
            "export.file_type jsonl.zst and parquet need pyarrow, which isn't installed;"
            " install triptych[arrow], or export plain jsonl"
        ) from None
    return pyarrow
