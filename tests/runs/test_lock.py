"""Only one process at a time can own a run folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.runs.lock import owned

_HOLDER = """
import sys, time
from pathlib import Path
from triptych.runs.lock import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_owner_is_refused_while_the_first_is_alive(tmp_path: Path) -> None:
    """The error names the process that holds the lock. When that process is killed, the lock is free."""
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SetupError, match=f"in use by process {holder.pid} on"), owned(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with owned(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


@pytest.mark.parametrize("kind", ["link", "dangling link", "link to a folder", "hard link", "folder", "pipe"])
def test_a_lock_that_is_not_a_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    """The target of a link is neither emptied nor created."""
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    lock = run / ".lock"
    if kind == "dangling link":
        lock.symlink_to(outside)
    else:
        outside.write_text("precious")
        match kind:
            case "link":
                lock.symlink_to(outside)
            case "link to a folder":
                lock.symlink_to(tmp_path)
            case "hard link":
                lock.hardlink_to(outside)
            case "folder":
                lock.mkdir()
            case "pipe":
                os.mkfifo(lock)
    with (
        pytest.raises(SetupError, match=r"\.lock is a link or not a file; expected .* remove it"),
        owned(run),
    ):
        pass

    assert outside.exists() == (kind != "dangling link")
    assert kind == "dangling link" or outside.read_text() == "precious"


def test_a_lock_file_with_any_content_can_be_taken_over(tmp_path: Path) -> None:
    """Its content is only used for messages."""
    (tmp_path / ".lock").write_bytes(b'{"pid":1,"host":"\xff","since":""}')
    with owned(tmp_path), pytest.raises(SetupError, match="in use by process"), owned(tmp_path):
        pass
