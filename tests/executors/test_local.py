"""The executor of one machine: Ctrl-C at any moment, and scripts without a guard."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = """
import time
from triptych.executors import PerUnit, in_order
from triptych.executors.local import LocalExecutor

def make(name):
    return work

def work(number):
    time.sleep(0.05)
    return bytes(300_000)

if __name__ == "__main__":
    try:
        print("here", flush=True)
        with LocalExecutor("ab", PerUnit(make), purpose="waits") as executor:
            for _ in in_order(executor, range(10_000)):
                pass
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("seed", range(8))
def test_ctrl_c_at_any_moment_interrupts_only_the_parent(seed: int, tmp_path: Path) -> None:
    """While processes start, work and send results. They print nothing, and all end at once."""
    script = tmp_path / "script.py"
    script.write_text(CHILD)
    parent = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "here\n"
    time.sleep(random.Random(seed).uniform(0.0, 0.6))
    os.killpg(parent.pid, signal.SIGINT)
    try:
        printed = parent.communicate(timeout=20)
    finally:
        parent.kill()

    assert ("interrupted\n", "") == printed


def test_a_script_without_a_guard_gets_an_error_that_names_it(tmp_path: Path) -> None:
    """Each process imports the script, which would then start processes of its own."""
    script = tmp_path / "script.py"
    script.write_text(CHILD.replace('if __name__ == "__main__":', "if True:"))

    ended = subprocess.run([sys.executable, script], capture_output=True, text=True)

    assert (
        "triptych.errors.SetupError: a process that waits ended with exit code 1 before it had begun;"
        ' a script has to call stages under `if __name__ == "__main__":`'
    ) == ended.stderr.strip().splitlines()[-1]
