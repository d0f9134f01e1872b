"""Arrays as .npy files: a full disk raises OSError when writing, damage raises SetupError when reading.

Comes in: an array, or the shape of one. Goes out: a file that is whole or missing; a file to be memory-mapped
and filled; the rows of a shard's embeddings. Not its job: which shards there are (see folder).
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
    """Write what ``np.save`` would, whole or not at all. ``np.save`` itself hides why a write failed."""
    array = np.ascontiguousarray(array)
    with written_whole(path) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def allocate_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Make a file of zeros for memory mapping. On a full disk, a store to a mapped sparse file would kill the
    process, so all of its space is allocated here."""
    try:
        with errors_naming(path):
            np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
            with path.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    except OSError:
        path.unlink(missing_ok=True)  # it would still take up the space that there was
        raise


def map_embeddings(path: Path, count: int | None = None) -> NDArray[np.float16]:
    """Memory-map ``float16[count, dim]``. ``count`` is None if it isn't known.

    Raises SetupError if the file is missing or has anything else.
    """
    what_to_do = "`triptych repair` sets it aside, so that it is made again"
    try:
        rows: NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise SetupError(f"{path} is missing; `triptych run` makes it again", path=path) from None
    except Exception as error:  # numpy documents no type of error for bytes that are not an array
        raise SetupError(f"{path} can't be read ({error}); {what_to_do}", path=path) from None
    if rows.ndim != 2 or rows.dtype != np.float16 or count not in (None, len(rows)):
        expected = f"float16[{'n' if count is None else count}, dim]"
        found = f"{rows.dtype}[{', '.join(map(str, rows.shape))}]"
        raise SetupError(f"{path} has {found}, expected {expected}; {what_to_do}", path=path)
    return rows
