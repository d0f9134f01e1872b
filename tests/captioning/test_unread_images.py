"""Images that can't be read because of the machine: the command stops, and none is recorded as failed."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.captioning.test_useless_answers import config, counts
from tests.support.contexts import JOBS
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.small_run import PLANNED, SmallRun
from triptych.captioning.library import caption
from triptych.errors import SetupError, UnreadableImageError
from triptych.records import ImageRecord
from triptych.runs.image_reader import read_unchanged
from triptych.sources import loose_files
from triptych.sources.remote_storage import ChangedObjectError

MACHINE_ERROR = (
    rf"can't be read on {re.escape(socket.gethostname())} \(.*\): no image's fault; .*run the same command"
)


def failing_with(number: int) -> Callable[..., bytes]:
    def read(path: str, size_bytes: int | None = None) -> bytes:
        raise OSError(number, os.strerror(number), path)

    return read


@pytest.mark.parametrize(
    "name", ["ESTALE", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "ENODEV"]
)
def test_an_error_of_the_machine_ends_the_command(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In one line that names the host. Once it is fixed, the same command captions everything."""
    sources = small_run.sources
    with ScriptedEndpoint() as endpoint:
        with monkeypatch.context() as patched, pytest.raises(SetupError, match=MACHINE_ERROR):
            patched.setattr(loose_files, "read_regular", failing_with(getattr(errno, name)))
            small_run.caption(config(endpoint), sources)
        assert 0 == counts(small_run)[1]
        small_run.caption(config(endpoint))

    assert (PLANNED["single_en"], 0) == counts(small_run)


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def unmounted(path: Path) -> None:
    """The empty folder stays."""
    moved(path)
    path.mkdir()


@pytest.mark.parametrize("remove", [moved, unmounted])
def test_a_source_that_has_disappeared_ends_the_command(
    small_run: SmallRun, remove: Callable[[Path], object]
) -> None:
    """If it is a folder. One archive of many costs only its own images (see test_thousand_shards)."""
    sources = small_run.sources
    remove(small_run.pile)
    with ScriptedEndpoint() as endpoint, pytest.raises(SetupError, match=MACHINE_ERROR):
        small_run.caption(config(endpoint), sources)

    assert 0 == counts(small_run)[1]


def test_a_parquet_file_that_has_disappeared_ends_the_command() -> None:
    """pyarrow's error has no file name, and is the context of another error."""

    def read(*_: object) -> bytes:
        try:
            raise FileNotFoundError(errno.ENOENT, "Failed to open local file '/mnt/rows.parquet'")
        except OSError as error:
            raise OSError(f"/mnt/rows.parquet: read error: {error.strerror}") from None

    with pytest.raises(SetupError, match=MACHINE_ERROR):
        read_unchanged(read, JOBS["single_en"], "rows", ImageRecord(key="rows/1"))


@pytest.mark.parametrize(
    "error",
    [
        ChangedObjectError("s3://bucket/a.jpg"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "s3://bucket/a.jpg"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "a.jpg"),
        OSError("a.tar could not be opened when its images were listed"),
    ],
)
def test_errors_of_a_single_image_are_its_failure(error: OSError) -> None:
    """The image was replaced or removed, or could never be read."""

    def read(*_: object) -> bytes:
        raise error

    with pytest.raises(UnreadableImageError, match=r"unreadable image: a\.jpg: "):
        read_unchanged(read, JOBS["single_en"], "files-00000", ImageRecord(key="a.jpg"))


def test_an_error_of_the_machine_ends_the_library_function_too(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It doesn't return captions that call the image unreadable."""

    def read(path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    with ScriptedEndpoint() as endpoint, pytest.raises(SetupError, match=MACHINE_ERROR):
        monkeypatch.setattr(Path, "read_bytes", read)
        caption([small_run.pile / "loose" / "p1.png"], engine=config(endpoint).server)
