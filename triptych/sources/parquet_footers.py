"""The footers of Parquet files, read in a process of their own, which a damaged one can end.

Comes in: paths, and the columns that the user named. Goes out: where the images are and how many, or why they
aren't. Not its job: reading the images, which are checked as they are unpacked (see parquet).
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
from typing import Any, Self

import msgspec

from triptych.sources.parquet_columns import ImageColumn, find_image_column
from triptych.sources.pyarrow_extra import import_pyarrow

READ_AHEAD_BYTES = 1024 * 1024
"""Of a column that is gone through: without it, pyarrow reads all of a row group's column at once."""

FOOTER_TIMEOUT_S = 120.0
"""A footer takes milliseconds, on a slow disk seconds."""


class Footer(msgspec.Struct, frozen=True):
    """What a file says of itself. Either there are images, or a reason why not."""

    column: ImageColumn | None = None
    group_rows: tuple[int, ...] = ()
    group_images: tuple[int, ...] = ()
    """Of each row group; a row may hold several."""
    group_bytes: tuple[int, ...] = ()
    """Of images, uncompressed."""
    no_images: str = ""
    """Why none of its columns is taken."""
    damage: str = ""


class _Question(msgspec.Struct, frozen=True):
    path: str
    wanted: str | None


class Footers:
    """Reads footers. A context manager: its process ends with the block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, path: str, wanted: str | None) -> Footer:
        """The footer of ``path``; one that ends its reader costs this file only.

        Raises SetupError where pyarrow is missing.
        """
        if self._process is None:
            import_pyarrow(path)
            self._process = _started()
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        with contextlib.suppress(BrokenPipeError):
            asked.write(msgspec.json.encode(_Question(_as_text(path), wanted)) + b"\n")
            asked.flush()
            if select.select([answered], [], [], FOOTER_TIMEOUT_S)[0]:
                with contextlib.suppress(msgspec.DecodeError):
                    return msgspec.json.decode(answered.readline(), type=Footer)
        self._end()
        return Footer(damage="damaged archive: its footer ends the process that reads it")

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _started() -> subprocess.Popen[bytes]:
    """With the modules that this process has: a script's folder, a checkout."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "triptych.sources.parquet_footers"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
    )


def _as_text(path: str) -> str:
    """Names that are no UTF-8 have their bytes as Latin-1 letters on the way."""
    return os.fsencode(path).decode("latin-1")


def read_footer(path: str, wanted: str | None) -> Footer:
    """In this process. Raises nothing, but what is damaged may end it."""
    pyarrow: Any = import_pyarrow(path)
    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=READ_AHEAD_BYTES, pre_buffer=False) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            for group in groups:  # what ends a process has to do it here, whatever column is read later
                for number in range(group.num_columns):
                    group.column(number)
            column = find_image_column(file, wanted)
            if isinstance(column, str):
                return Footer(no_images=column)
            chunks = [group.column(column.number) for group in groups]
            rows = tuple(group.num_rows for group in groups)
            images = tuple(chunk.num_values for chunk in chunks)
            if min((*rows, *images), default=0) < 0:
                return Footer(damage="damaged archive: it says that it has fewer than no rows")
            sizes = tuple(chunk.total_uncompressed_size for chunk in chunks)
            return Footer(column=column, group_rows=rows, group_images=images, group_bytes=sizes)
    except Exception as error:  # pyarrow raises anything on damaged bytes
        return Footer(damage=why_unreadable(error))


def why_unreadable(error: Exception) -> str:
    """The reason that a record keeps. pyarrow raises OSError without a number where bytes make no sense."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"read error: {error.strerror}"
    if isinstance(error, MemoryError):
        return "too large: there is not enough memory for a page of it"
    return f"damaged archive: {' '.join(str(error).split())[:200] or type(error).__name__}"


def _answer_questions() -> None:
    """What the process of its own does, until nobody asks any more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what libraries print
    for line in sys.stdin.buffer:
        question = msgspec.json.decode(line, type=_Question)
        footer = read_footer(os.fsdecode(question.path.encode("latin-1")), question.wanted)
        answers.write(msgspec.json.encode(footer) + b"\n")
        answers.flush()


if __name__ == "__main__":
    _answer_questions()
