"""The footers of Parquet files, read in a process of their own, which a damaged one can end.

Comes in: paths, and the columns that the user named. Goes out: where the images are and how many, or why they
aren't; for others, files as pyarrow has them. Not its job: reading the images, which are checked as they are
unpacked (see parquet).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from triptych.errors import SetupError
from triptych.sources.parquet_columns import ImageColumn, find_image_column
from triptych.sources.regular_files import open_regular
from triptych.sources.remote_storage import UnreachableError, is_url
from triptych.sources.unpacking import import_pyarrow

READ_AHEAD_BYTES = 1024 * 1024
"""Of a column that is gone through: without it, pyarrow reads all of a row group's column at once."""

FOOTER_TIMEOUT_S = 120
"""A footer takes milliseconds, on a slow disk seconds."""

MAX_REASON_LETTERS = 200


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
    no_storage: str = ""
    """Why the storage that it is in can't be read."""


class _Question(msgspec.Struct, frozen=True):
    path: str
    """With its bytes as Latin-1 letters: names may be no UTF-8."""
    wanted: str | None


@contextlib.contextmanager
def parquet_file(path: str, *, in_ranges: bool = False, **options: Any) -> Iterator[Any]:
    """pyarrow's ParquetFile, read as ``open_regular`` does. Raises what that raises, and anything else."""
    opened = open_regular(path, in_ranges=in_ranges) if is_url(path) else contextlib.nullcontext(path)
    with opened as source, import_pyarrow(path).parquet.ParquetFile(source, **options) as file:
        yield file


def read_footers(wanted: Sequence[tuple[str, str | None]]) -> list[Footer]:
    """The footers of files, each with the column that the user named; one that ends its reader costs this
    file only. Raises SetupError where pyarrow is missing."""
    questions = [_Question(os.fsencode(path).decode("latin-1"), column) for path, column in wanted]
    footers: list[Footer] = []
    while len(footers) < len(questions):
        import_pyarrow(wanted[0][0])
        reader = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=msgspec.json.encode(questions[len(footers) :]),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        footers += [msgspec.json.decode(line, type=Footer) for line in reader.stdout.splitlines()]
        if footers and footers[-1].no_storage:
            raise UnreachableError(footers[-1].no_storage)
        if len(footers) < len(questions):
            said = why_unreadable(ValueError(reader.stderr.decode(errors="replace")[-MAX_REASON_LETTERS:]))
            footers.append(Footer(damage=f"{said} (it ended the process that read it)"))
    return footers


def read_footer(path: str, wanted: str | None) -> Footer:
    """In this process. Raises nothing, but what is damaged may end it."""
    try:
        with parquet_file(path, in_ranges=True, buffer_size=READ_AHEAD_BYTES, pre_buffer=False) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            for group in groups:  # what ends a process has to do it here, whatever column is read later
                for number in range(group.num_columns):
                    group.column(number)
            column = find_image_column(file, wanted)
            if isinstance(column, str):
                return Footer(no_images=column)
            chunks = [group.column(column.number) for group in groups]
            rows = tuple(group.num_rows for group in groups)
            images = tuple(chunk.num_values for chunk in chunks) if column.is_list else rows
            if min((*rows, *images), default=0) < 0:
                return Footer(damage="damaged archive: it says that it has fewer than no rows")
            sizes = tuple(chunk.total_uncompressed_size for chunk in chunks)
            return Footer(column=column, group_rows=rows, group_images=images, group_bytes=sizes)
    except SetupError as error:
        return Footer(no_storage=str(error))
    except Exception as error:  # pyarrow raises anything on damaged bytes
        return Footer(damage=why_unreadable(error))


def why_unreadable(error: Exception) -> str:
    """The reason that a record keeps. pyarrow raises OSError without a number where bytes make no sense."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"read error: {error.strerror}"
    if isinstance(error, MemoryError):
        return "too large: there is not enough memory for a page of it"
    said = " ".join(str(error).split())[:MAX_REASON_LETTERS] or type(error).__name__
    return f"{'encrypted' if 'crypt' in said.lower() else 'damaged'} archive: {said}"


def _answer_questions() -> None:
    """What the process of its own does."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what libraries print
    for question in msgspec.json.decode(sys.stdin.buffer.read(), type=list[_Question]):
        path = os.fsdecode(question.path.encode("latin-1"))
        signal.alarm(0 if is_url(path) else FOOTER_TIMEOUT_S)  # storage has time limits of its own
        footer = read_footer(path, question.wanted)
        answers.write(msgspec.json.encode(footer) + b"\n")
        answers.flush()
        if footer.no_storage:
            return


if __name__ == "__main__":
    _answer_questions()
