"""Ctrl-C while a process starts."""

import subprocess
import sys
from pathlib import Path

PARENT = """
import multiprocessing, os, signal, time
from triptych.executors.processes import without_interrupts

def sleep(): time.sleep(60)

if __name__ == "__main__":
    try:
        with without_interrupts():
            child = multiprocessing.get_context("spawn").Process(target=sleep, daemon=True)
            child.start()
            os.killpg(0, signal.SIGINT)  # while both are starting
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(1)
    print("child is alive:", child.is_alive())
    child.kill()
"""


def test_a_starting_process_does_not_see_ctrl_c(tmp_path: Path) -> None:
    """Not even the first one, for which multiprocessing starts a helper as well. Nothing is printed on
    stderr."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)

    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, start_new_session=True, timeout=60
    )

    assert ("child is alive: True", "") == (ended.stdout.strip(), ended.stderr)


def test_ctrl_c_reaches_this_process_after_the_start() -> None:
    """It is delayed, not lost."""
    code = (
        "import os, signal\n"
        "from triptych.executors.processes import without_interrupts\n"
        "try:\n"
        "    with without_interrupts():\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        print('inside')\n"
        "    print('after')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout

    assert ["inside", "interrupted"] == printed.split()
