"""Arrays in files."""

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


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "can't be read"),
        (b"\x93NUMPY\x01\x00v\x00{'descr': '<f2', 'shape': (((((((", "can't be read"),
        (None, "is not there any more;"),
        (np.zeros((3, 4), np.float16), r"has float16\[3, 4\], expected float16\[2, dim\]"),
        (np.zeros((2, 4), np.float32), r"has float32\[2, 4\], expected float16\[2, dim\]"),
        (np.zeros(2, np.float16), r"has float16\[2\], expected float16\[2, dim\]"),
    ],
)
def test_what_are_no_embeddings_is_named(content: object, found: str, tmp_path: Path) -> None:
    """With who mends it."""
    path = tmp_path / "a.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(SetupError, match=rf"a\.npy {found}.*`triptych r"):
        map_embeddings(path, 2)
