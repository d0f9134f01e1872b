"""Arrays as .npy files, written so that a full disk is an OSError.

Comes in: an array, or the shape of one. Goes out: a file that is whole or not there; a file to be mapped and
stored into. Not its job: reading them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from triptych.runs.jsonl import errors_naming, written_whole


def write_array(path: Path, array: NDArray[Any]) -> None:
    """What ``np.save`` writes, whole or not at all. ``np.save`` itself doesn't say why a write failed."""
    array = np.ascontiguousarray(array)
    with written_whole(path) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)


def allocate_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """A file of zeros to be mapped. Stores to a map of a sparse file kill the process on a full disk."""
    with errors_naming(path):
        np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
