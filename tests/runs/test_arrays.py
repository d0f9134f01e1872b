"""Arrays in files."""

import io
from pathlib import Path

import numpy as np
import pytest

from triptych.runs.arrays import allocate_array, write_array


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
def test_an_array_is_written_as_numpy_does(tmp_path: Path, array: np.ndarray) -> None:
    """Byte by byte, in the order of rows."""
    expected = io.BytesIO()
    np.save(expected, np.ascontiguousarray(array))
    write_array(tmp_path / "array.npy", array)

    assert expected.getvalue() == (tmp_path / "array.npy").read_bytes()


def test_a_file_to_be_mapped_has_its_room_on_disk(tmp_path: Path) -> None:
    """A sparse one would kill whoever stores into it when the disk is full."""
    path = tmp_path / "array.npy"
    allocate_array(path, np.float16, (1000, 512))

    assert path.stat().st_blocks * 512 >= path.stat().st_size > 1000 * 512 * 2
    assert not np.load(path).any()


def test_a_file_system_without_room_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    """A petabyte fits nowhere."""
    with pytest.raises(OSError) as raised:
        allocate_array(tmp_path / "array.npy", np.float16, (1 << 40, 512))

    assert str(tmp_path / "array.npy") == raised.value.filename
    assert [] == [*tmp_path.iterdir()]
