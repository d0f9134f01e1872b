"""Ctrl-C and the processes that are started."""

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
            os.killpg(0, signal.SIGINT)  # while both are beginning
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(1)
    print("child is alive:", child.is_alive())
    child.kill()
"""


def test_a_process_that_is_only_beginning_does_not_see_ctrl_c(tmp_path: Path) -> None:
    """The first of a process's life, when multiprocessing starts a helper of its own: nobody else speaks."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)

    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, start_new_session=True, timeout=60
    )

    assert ("child is alive: True", "") == (ended.stdout.strip(), ended.stderr)


def test_a_ctrl_c_in_the_meantime_reaches_this_process_afterwards() -> None:
    """It is put off, not lost."""
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

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout

    assert ["inside", "interrupted"] == said.split()
