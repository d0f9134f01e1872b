"""Pipes, devices and files that are too large are recorded, not read."""

import os
import socket
from pathlib import Path

import pytest

from tests.support.parquet_files import write_parquet
from tests.support.pile import jpeg, keys, reasons, write_file, write_tar, write_zip
from triptych.errors import UsageError
from triptych.sources import regular_files
from triptych.sources.opening import open_sources

NAMES = ["x.jpg", "x.tar", "x.TAR", "x.zip", "x.parquet", "x.tar.gz", "x", "x.md"]


@pytest.mark.parametrize("name", NAMES)
def test_a_pipe_is_recorded_without_waiting(tmp_path: Path, name: str) -> None:
    """Whatever its name. Nothing writes to it."""
    write_file(tmp_path / "good.jpg")
    os.mkfifo(tmp_path / name)
    (tmp_path / f"link-{name}").symlink_to(tmp_path / name)

    assert ["good.jpg"] == keys(tmp_path)
    assert {name: "not an image", f"link-{name}": "not an image"} == reasons(tmp_path)


@pytest.mark.parametrize("name", ["x.jpg", "x.tar", "x.zip", "x.parquet"])
def test_a_file_that_becomes_a_pipe_after_listing_is_recorded(tmp_path: Path, name: str) -> None:
    """Neither listing its images nor reading one again waits for it."""
    writers = {
        "x.jpg": write_file,
        "x.tar": lambda path: write_tar(path, {"0": jpeg()}),
        "x.zip": lambda path: write_zip(path, {"0": jpeg()}),
        "x.parquet": lambda path: write_parquet(path, {"image": [jpeg()]}),
    }
    source = tmp_path / name
    writers[name](source)
    (shard,) = open_sources([source])
    (image,) = shard.files()
    source.unlink()
    os.mkfifo(source)

    assert ["not an image: a pipe"] == [(f.unreadable or "").partition(";")[0] for f in shard.files()]
    with pytest.raises(OSError, match="not an image: a pipe"):
        shard.read(image.key, image.offset_bytes, len(image.content))


@pytest.mark.parametrize("name", NAMES)
def test_devices_and_sockets_are_not_opened(tmp_path: Path, name: str) -> None:
    """A link leads to a device without an end."""
    write_file(tmp_path / "good.jpg")
    (tmp_path / name).symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / f"s-{name}"))

        assert ["good.jpg"] == keys(tmp_path)
        assert {name: "not an image", f"s-{name}": "not an image"} == reasons(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_a_sparse_file_of_a_terabyte_is_recorded_at_once(tmp_path: Path, name: str) -> None:
    """It would fill the memory, and take an hour to scan."""
    write_file(tmp_path / "good.jpg")
    with (tmp_path / name).open("wb") as file:
        file.truncate(1 << 40)

    assert ["good.jpg"] == keys(tmp_path)
    assert [name] == [key.partition("#")[0] for key in reasons(tmp_path)]


def test_the_reason_for_a_file_that_is_too_large_has_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the limit."""
    monkeypatch.setattr(regular_files, "MAX_FILE_BYTES", len(jpeg()))
    write_file(tmp_path / "good.jpg")
    write_file(tmp_path / "large.jpg", jpeg() + b"more")
    (shard,) = open_sources([tmp_path])
    good, large = shard.files()

    assert jpeg() == good.content
    assert f"too large: {len(jpeg()) + 4:,} bytes; at most {len(jpeg()):,} are read" == large.unreadable


def test_a_pipe_as_a_source_is_a_usage_error(tmp_path: Path) -> None:
    """The error says that it is a pipe."""
    os.mkfifo(tmp_path / "x.dat")
    with pytest.raises(UsageError, match=r"x\.dat can't be a source \(not an image: a pipe\)"):
        open_sources([tmp_path / "x.dat"])
