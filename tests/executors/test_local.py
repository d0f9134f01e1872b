"""The executor of one machine: order, deaths, faults, and Ctrl-C at any moment of its processes' lives."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.executors import Desk, Each, Finished, Lost, Progressed, Work, in_order
from triptych.executors.local import LocalExecutor

CHILD = """
import time
from triptych.executors import Each, in_order
from triptych.executors.local import LocalExecutor

def make(name):
    return work

def work(number):
    time.sleep(0.05)
    return bytes(300_000)

if __name__ == "__main__":
    try:
        print("here", flush=True)
        with LocalExecutor("ab", Each(make), purpose="waits") as executor:
            for _ in in_order(executor, range(10_000)):
                pass
    except KeyboardInterrupt:
        print("interrupted")
"""


def doubles(name: str) -> Callable[[int], int]:
    return lambda number: 2 * number


def repeats(name: str) -> Callable[[bytes], bytes]:
    return lambda content: content


def fails_at_three(name: str) -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    return work


def dies_at(number: int, once: Path | None, name: str) -> int:
    """Of a worker that is killed at 3: always, or only the first time."""
    if number == 3 and (once is None or not once.exists()):
        if once is not None:
            once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Dies:
    """A set-up: ``once`` is a file that is made at the first death."""

    def __init__(self, once: Path | None = None) -> None:
        self.once = once

    def __call__(self, name: str) -> Callable[[int], int]:
        return lambda number: dies_at(number, self.once, name)


def never_ready(name: str) -> Work:
    raise SetupError(f"no model for {name}")


def says_how_far(name: str) -> Work:
    """Has two units in hand at a time, as a pipeline has."""

    def work(desk: Desk) -> None:
        before: int | None = None
        for number, unit in desk.units():
            desk.progress(number, f"{name} has {unit}")
            if before is not None:
                desk.finish(before, name)
            before = number
            if number == 3:
                desk.finish(3, name)
                before = None

    return work


def test_results_come_in_order() -> None:
    """Also more than a pipe holds, none at all, and a second time."""
    with LocalExecutor("ab", Each(doubles), purpose="doubles") as executor:
        assert [2 * number for number in range(50)] == list(in_order(executor, range(50)))
        assert [] == list(in_order(executor, []))
        assert [0, 2] == list(in_order(executor, range(2)))
    with LocalExecutor("ab", Each(repeats), purpose="repeats") as executor:
        assert [b"x" * 4_000_000] * 8 == list(in_order(executor, [b"x" * 4_000_000] * 8))


def test_units_are_taken_as_results_are() -> None:
    """An iterator over a dataset isn't read ahead of its end."""
    taken = []

    def units() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with LocalExecutor("ab", Each(doubles), purpose="doubles") as executor:
        next(executor.run(units()))

    assert len(taken) <= 8


def test_a_worker_may_have_several_units_in_hand_and_say_how_far_they_are() -> None:
    """Each is finished once; progress names its unit."""
    with LocalExecutor(["one"], says_how_far, purpose="counts", ahead=0) as executor:
        events = list(executor.run("abcd"))

    assert [0, 1, 2, 3] == sorted(event.number for event in events if isinstance(event, Finished))
    assert ["one has a", "one has b", "one has c", "one has d"] == [
        event.message for event in events if isinstance(event, Progressed)
    ]


def test_a_fault_of_the_work_is_raised_with_where_it_was() -> None:
    """After a second worker had it too; the results before it come first."""
    with LocalExecutor("a", Each(fails_at_three), purpose="fails") as executor:
        results = in_order(executor, range(9))
        before = [next(results) for _ in range(3)]
        with pytest.raises(ValueError, match="three") as raised:
            next(results)

    assert [0, 1, 2] == before
    assert "test_local.py" in raised.value.__notes__[0]


def test_a_worker_that_dies_is_replaced_and_its_units_are_given_out_again(tmp_path: Path) -> None:
    """The loss is an event that names the units."""
    with LocalExecutor("ab", Each(Dies(tmp_path / "died")), purpose="dies") as executor:
        events = list(executor.run(range(9)))

    (lost,) = [event for event in events if isinstance(event, Lost)]
    assert 3 in lost.numbers
    assert "was killed" in lost.why
    assert list(range(9)) == sorted(event.result for event in events if isinstance(event, Finished))


def test_a_unit_at_which_workers_keep_dying_is_one_line() -> None:
    """What they do, how they ended and what to do; nothing waits for them."""
    with (
        pytest.raises(SetupError, match=r"a process that dies was killed \(exit code -9; .* it goes on"),
        LocalExecutor("ab", Each(Dies()), purpose="dies") as executor,
    ):
        list(in_order(executor, range(9)))


def test_what_a_set_up_raises_is_raised_on_entering() -> None:
    """Before any unit is taken."""
    with (
        pytest.raises(SetupError, match="no model for cuda:0"),
        LocalExecutor(["cuda:0"], never_ready, purpose="waits"),
    ):
        raise AssertionError("entered")


@pytest.mark.parametrize("seed", range(8))
def test_ctrl_c_at_any_moment_is_for_the_parent_alone(seed: int, tmp_path: Path) -> None:
    """While processes start, work and send results: no word of theirs, and an end at once."""
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


def test_a_script_without_a_guard_gets_an_error_that_names_it(tmp_path: Path) -> None:
    """A process imports the script, which would start processes of its own."""
    script = tmp_path / "script.py"
    script.write_text(CHILD.replace('if __name__ == "__main__":', "if True:"))

    ended = subprocess.run([sys.executable, script], capture_output=True, text=True)

    assert (
        "triptych.errors.SetupError: a process that waits ended with exit code 1 before it had begun;"
        ' a script has to call stages under `if __name__ == "__main__":`'
    ) == ended.stderr.strip().splitlines()[-1]
