"""Arrays in NumPy files: writing, allocating and reading them."""

import io
from pathlib import Path

import numpy as np
import pytest

from triptych.errors import SetupError
from triptych.runs.arrays import allocate_array, map_embeddings, write_array


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5), np.float16),
        np.arange(12, dtype=np.float16).reshape(3, 4),
        np.arange(12, dtype=np.float32).reshape(3, 4).T,
        np.arange(7, dtype=np.int16),
    ],
    ids=["empty", "rows", "columns", "numbers"],
)
def test_a_written_array_has_the_same_bytes_as_from_numpy(tmp_path: Path, array: np.ndarray) -> None:
    """Whatever its memory layout, it is stored in row order."""
    expected = io.BytesIO()
    np.save(expected, np.ascontiguousarray(array))
    write_array(tmp_path / "array.npy", array)

    assert expected.getvalue() == (tmp_path / "array.npy").read_bytes()


def test_an_allocated_file_takes_up_its_space_on_disk(tmp_path: Path) -> None:
    """Otherwise, if the disk is full, writing to the mapped sparse file would kill the process."""
    path = tmp_path / "array.npy"
    allocate_array(path, np.float16, (1000, 512))

    assert path.stat().st_blocks * 512 >= path.stat().st_size > 1000 * 512 * 2
    assert not np.load(path).any()


def test_a_full_file_system_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A petabyte fits nowhere. No partial file remains."""
    with pytest.raises(OSError) as raised:
        allocate_array(tmp_path / "array.npy", np.float16, (1 << 40, 512))

    assert str(tmp_path / "array.npy") == raised.value.filename
    assert [] == [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "can't be read"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'shape': (((((((", "can't be read"),
        (None, "is missing;"),
        (np.zeros((3, 4), np.float16), r"has float16\[3, 4\], expected float16\[2, dim\]"),
        (np.zeros((2, 4), np.float32), r"has float32\[2, 4\], expected float16\[2, dim\]"),
        (np.zeros(2, np.float16), r"has float16\[2\], expected float16\[2, dim\]"),
    ],
)
def test_an_error_names_damaged_embeddings(content: object, found: str, tmp_path: Path) -> None:
    """It also names the command that repairs them."""
    path = tmp_path / "a.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(SetupError, match=rf"a\.npy {found}.*`triptych r"):
        map_embeddings(path, 2)
