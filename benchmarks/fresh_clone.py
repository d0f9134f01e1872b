"""Times of `make demo` in a fresh clone with and without the installation, of verify and of a second run.

python -m benchmarks.fresh_clone
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import ROOT, record, refuse_dirty_tree

MAX_WITH_INSTALL_S = 600
MAX_INSTALLED_S = 180


def _timed(command: list[str], folder: Path) -> tuple[float, int]:
    """Wall time in seconds, and exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    began = time.perf_counter()
    exit_code = subprocess.run(command, cwd=folder, stdout=sys.stderr, env=environment).returncode
    return round(time.perf_counter() - began, 1), exit_code


def main() -> None:
    """Measure and record the result; exit 1 if a command fails or is too slow."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch, "triptych")
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        with_install = _timed(["make", "demo"], clone)
        installed = _timed(["make", "demo", "TRIPTYCH_DEMO=second-demo"], clone)
        command = str(clone / ".venv" / "bin" / "triptych")
        verified = _timed([command, "verify", "triptych-demo/run"], clone)
        run = [command, "run", "triptych-demo/images", "--preset", "demo", "--out", "triptych-demo/run"]
        again = _timed(run, clone)
    exit_codes = [code for _, code in (with_install, installed, verified, again)]
    measured = {
        "make_demo_with_install_s": with_install[0],
        "make_demo_installed_s": installed[0],
        "verify_s": verified[0],
        "second_run_s": again[0],
        "exit_codes": exit_codes,
    }
    record("fresh_clone", "python -m benchmarks.fresh_clone", measured)
    is_slow = with_install[0] > MAX_WITH_INSTALL_S or installed[0] > MAX_INSTALLED_S
    sys.exit(is_slow or any(exit_codes))


if __name__ == "__main__":
    main()
