"""Images that can't be read through a fault of the machine: the command stops, and blames none of them."""

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

LINE = rf"can't be read on {re.escape(socket.gethostname())} \(.*\): no image's fault; .*run the same command"


def fails(number: int) -> Callable[..., bytes]:
    def read(path: str, size_bytes: int | None = None) -> bytes:
        raise OSError(number, os.strerror(number), path)

    return read


@pytest.mark.parametrize(
    "name", ["ESTALE", "EIO", "EMFILE", "ENFILE", "ENOMEM", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "ENODEV"]
)
def test_what_a_disk_a_mount_or_a_limit_says_ends_the_command(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In one line with the host; when it is mended, the same command makes everything."""
    sources = small_run.sources
    with ScriptedEndpoint() as endpoint:
        with monkeypatch.context() as patched, pytest.raises(SetupError, match=LINE):
            patched.setattr(loose_files, "read_regular", fails(getattr(errno, name)))
            small_run.caption(config(endpoint), sources)
        assert 0 == counts(small_run)[1]
        small_run.caption(config(endpoint))

    assert (PLANNED["single_en"], 0) == counts(small_run)


def moved(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))


def unmounted(path: Path) -> None:
    """Its folder stays."""
    moved(path)
    path.mkdir()


@pytest.mark.parametrize("goes", [moved, unmounted])
def test_a_source_that_is_not_there_any_more_ends_the_command(
    small_run: SmallRun, goes: Callable[[Path], object]
) -> None:
    """The folder that was named. An archive of many costs its images (see test_thousand_shards)."""
    sources = small_run.sources
    goes(small_run.pile)
    with ScriptedEndpoint() as endpoint, pytest.raises(SetupError, match=LINE):
        small_run.caption(config(endpoint), sources)

    assert 0 == counts(small_run)[1]


def test_a_parquet_file_that_is_not_there_any_more_ends_the_command() -> None:
    """pyarrow names no file, and its error is in another one."""

    def read(*_: object) -> bytes:
        try:
            raise FileNotFoundError(errno.ENOENT, "Failed to open local file '/mnt/rows.parquet'")
        except OSError as error:
            raise OSError(f"/mnt/rows.parquet: read error: {error.strerror}") from None

    with pytest.raises(SetupError, match=LINE):
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
def test_other_errors_are_an_images(error: OSError) -> None:
    """Of one that was replaced or has gone, or was never there."""

    def read(*_: object) -> bytes:
        raise error

    with pytest.raises(UnreadableImageError, match=r"unreadable image: a\.jpg: "):
        read_unchanged(read, JOBS["single_en"], "files-00000", ImageRecord(key="a.jpg"))


def test_captions_without_a_run_folder_end_likewise(
    small_run: SmallRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Caption says that its image is unreadable."""

    def read(path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    with ScriptedEndpoint() as endpoint, pytest.raises(SetupError, match=LINE):
        monkeypatch.setattr(Path, "read_bytes", read)
        caption([small_run.pile / "loose" / "p1.png"], engine=config(endpoint).server)
