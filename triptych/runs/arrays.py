"""Arrays as .npy files, written so that a full disk is an OSError, and read so that damage is a SetupError.

Comes in: an array, or the shape of one. Goes out: a file that is whole or not there; a file to be mapped and
stored into; the rows of a shard's embeddings. Not its job: which shards there are (see folder).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from triptych.errors import SetupError
from triptych.runs.jsonl import errors_naming, written_whole


def write_array(path: Path, array: NDArray[Any]) -> None:
    """What ``np.save`` writes, whole or not at all. ``np.save`` itself doesn't say why a write failed."""
    array = np.ascontiguousarray(array)
    with written_whole(path) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def allocate_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """A file of zeros to be mapped. Stores to a map of a sparse file kill the process on a full disk."""
    try:
        with errors_naming(path):
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink(missing_ok=True)  # it would keep what room there was
        raise


def map_embeddings(path: Path, count: int | None = None) -> NDArray[np.float16]:
    """``float16[count, dim]``, mapped, not read. ``count`` is None where it isn't known.

    Raises SetupError where it is something else.
    """
    mend = "`triptych repair` sets it aside, so that it is made again"
    try:
        rows: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise SetupError(f"{path} is not there any more; `triptych run` makes it again", path=path) from None
    except Exception as error:  # numpy promises no kind of error for bytes that are no array
        raise SetupError(f"{path} can't be read ({error}); {mend}", path=path) from None
    if rows.ndim != 2 or rows.dtype != np.float16 or count not in (None, len(rows)):
        expected = f"float16[{'n' if count is None else count}, dim]"
        found = f"{rows.dtype}[{', '.join(map(str, rows.shape))}]"
        raise SetupError(f"{path} has {found}, expected {expected}; {mend}", path=path)
    return rows
