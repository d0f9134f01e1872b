"""A pool of processes: order, faults, and Ctrl-C at any moment of their lives."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.executors.local import process_pool

CHILD = """
import time
from triptych.executors.local import process_pool

def work(number):
    time.sleep(0.05)
    return bytes(300_000)

if __name__ == "__main__":
    try:
        print("here", flush=True)
        with process_pool(2, "waits") as pool:
            for _ in pool.map(work, range(10_000)):
                pass
    except KeyboardInterrupt:
        print("interrupted")
"""


def double(number: int) -> int:
    return 2 * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order() -> None:
    """Also more than a pipe holds, and none at all."""
    with process_pool(2, "doubles") as pool:
        assert [2 * number for number in range(50)] == list(pool.map(double, range(50)))
        assert [] == list(pool.map(double, []))
        assert [b"x" * 4_000_000] * 8 == list(pool.map(bytes, [b"x" * 4_000_000] * 8))


def test_items_are_taken_as_results_are() -> None:
    """An iterator over a dataset isn't read ahead of its end."""
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with process_pool(2, "doubles") as pool:
        next(pool.map(double, items()))

    assert len(taken) <= 5


def test_what_the_function_raises_is_raised_with_where_it_was() -> None:
    """The results before it come first."""
    with process_pool(2, "fails") as pool:
        results = pool.map(fail_at_three, range(9))
        before = [next(results) for _ in range(3)]
        with pytest.raises(ValueError, match="three") as raised:
            next(results)

    assert [0, 1, 2] == before
    assert "fail_at_three" in raised.value.__notes__[0]


def test_a_process_that_dies_is_one_line() -> None:
    """What it does, its exit code and what to do; nothing waits for it."""
    with (
        pytest.raises(SetupError, match=r"a process that dies ended early \(exit code -9; .* again"),
        process_pool(2, "dies") as pool,
    ):
        list(pool.map(die, range(9)))


@pytest.mark.parametrize("seed", range(8))
def test_ctrl_c_at_any_moment_is_for_the_parent_alone(seed: int, tmp_path: Path) -> None:
    """While processes start, work and send answers: no word of theirs, and an end at once."""
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
        said = parent.communicate(timeout=20)
    finally:
        parent.kill()

    assert ("interrupted\n", "") == said
