"""Reads footers of Parquet files in a subprocess, as a damaged one can crash pyarrow.

Comes in: paths, and the columns that the user set. Goes out: the image column and row groups of each file, or
why there are no images; also opened pyarrow files. Not its job: reading images (see parquet).
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
from triptych.sources.regular_files import UnreadableFileError, open_regular, why_not_read
from triptych.sources.remote_storage import UnreachableError, is_url
from triptych.sources.unpacking import import_pyarrow

READ_AHEAD_BYTES = 1024 * 1024
"""Buffer to read through a column: without one, pyarrow reads a row group's whole column at once."""

FOOTER_TIMEOUT_S = 120
"""A footer takes milliseconds, on a slow disk seconds."""

MAX_REASON_CHARACTERS = 200


class Footer(msgspec.Struct, frozen=True):
    """A file's image column and row groups, or the reason why it has none."""

    column: ImageColumn | None = None
    group_rows: tuple[int, ...] = ()
    group_images: tuple[int, ...] = ()
    """Images in each row group; a row may hold several."""
    group_bytes: tuple[int, ...] = ()
    """Uncompressed size of each row group's images."""
    no_images: str = ""
    """Why none of its columns is used."""
    damage: str = ""
    unreachable: str = ""
    """Why its storage can't be read."""


_Request = tuple[str, str | None]
"""A path, with its bytes as Latin-1 as it may not be UTF-8, and the column that the user set."""


@contextlib.contextmanager
def parquet_file(path: str, *, in_ranges: bool = False, **options: Any) -> Iterator[Any]:
    """pyarrow's ParquetFile. Raises as ``open_regular`` does, and anything on damaged bytes."""
    parquet = import_pyarrow(path).parquet
    with (
        open_regular(path, in_ranges=in_ranges) as source,  # before pyarrow, which would wait for a pipe
        parquet.ParquetFile(source if is_url(path) else path, **options) as file,
    ):
        yield file


def read_footers(wanted: Sequence[tuple[str, str | None]]) -> list[Footer]:
    """The footers of files, given as path and wanted column. One that crashes the subprocess counts as
    damaged, and the others are read by a new one. Raises SetupError if pyarrow is missing."""
    requests: list[_Request] = [(os.fsencode(path).decode("latin-1"), column) for path, column in wanted]
    footers: list[Footer] = []
    while len(footers) < len(requests):
        import_pyarrow(wanted[0][0])
        reader = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=msgspec.json.encode(requests[len(footers) :]),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        footers += [msgspec.json.decode(line, type=Footer) for line in reader.stdout.splitlines()]
        if footers and footers[-1].unreachable:
            raise UnreachableError(footers[-1].unreachable)
        if len(footers) < len(requests):
            last_words = reader.stderr.decode(errors="replace")[-MAX_REASON_CHARACTERS:]
            reason = why_unreadable(ValueError(last_words))
            footers.append(Footer(damage=f"{reason} (it ended the process that read it)"))
    return footers


def read_footer(path: str, wanted: str | None) -> Footer:
    """Read a footer in this process, which a damaged one may crash. Raises nothing."""
    try:
        with parquet_file(path, in_ranges=True, buffer_size=READ_AHEAD_BYTES, pre_buffer=False) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            for group in groups:  # touch all columns: what crashes must crash here, not when images are read
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
        return Footer(unreachable=str(error))
    except Exception as error:  # pyarrow raises anything on damaged bytes
        return Footer(damage=why_unreadable(error))


def why_unreadable(error: Exception) -> str:
    """The reason to record. pyarrow's OSError on damaged bytes has no errno."""
    if isinstance(error, UnreadableFileError) or (isinstance(error, OSError) and error.errno is not None):
        return why_not_read(error)
    if isinstance(error, MemoryError):
        return "too large: there is not enough memory for a page of it"
    message = " ".join(str(error).split())[:MAX_REASON_CHARACTERS] or type(error).__name__
    kind = "encrypted" if "crypt" in message.lower() else "damaged"
    return f"{'unsupported' if isinstance(error, NotImplementedError) else kind} archive: {message}"


def _serve_requests() -> None:
    """The subprocess: requests on stdin, a footer a line on stdout."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # libraries may print
    for encoded_path, wanted in msgspec.json.decode(sys.stdin.buffer.read(), type=list[_Request]):
        path = os.fsdecode(encoded_path.encode("latin-1"))
        signal.alarm(0 if is_url(path) else FOOTER_TIMEOUT_S)  # remote storage has its own time limits
        footer = read_footer(path, wanted)
        answers.write(msgspec.json.encode(footer) + b"\n")
        answers.flush()
        if footer.unreachable:
            return


if __name__ == "__main__":
    _serve_requests()
