"""One process owns a run folder."""

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


def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    """Another process's hold is an error that names its pid; when it is killed, the lock is free."""
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
