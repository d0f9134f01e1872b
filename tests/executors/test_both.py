"""What both executors do: local processes, and a Ray cluster."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.ray_nodes import RayNodes
from triptych.errors import SetupError
from triptych.executors import (
    Channel,
    Finished,
    GivenUp,
    Lost,
    OpenExecutor,
    PerUnit,
    Progressed,
    Work,
    in_order,
)
from triptych.executors.local import LocalExecutor


@pytest.fixture(params=["this machine", "a cluster"])
def open_executor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenExecutor]:
    if request.param == "this machine":
        yield LocalExecutor
        return
    nodes: RayNodes = request.getfixturevalue("ray_nodes")
    with nodes.open(tmp_path_factory.mktemp("shared") / "cluster") as cluster:
        yield cluster.open_executor


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


class OddError(Exception):
    """An error that pickle can't recreate, since its constructor takes two arguments."""

    def __init__(self, what: str, when: str) -> None:
        super().__init__(f"{what} {when}")


def fails_oddly(name: str) -> Callable[[int], int]:
    def work(number: int) -> int:
        raise OddError("no such", "thing")

    return work


def dies_at(number: int, once: Path | None, name: str) -> int:
    """Kill this worker at unit 3: always, or with ``once`` only the first time."""
    if number == 3 and (once is None or not once.exists()):
        if once is not None:
            once.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


class Dies:
    """The set-up of a worker that dies at unit 3. ``once``: a file that is created at the first death, the
    only one then."""

    def __init__(self, once: Path | None = None) -> None:
        self.once = once

    def __call__(self, name: str) -> Callable[[int], int]:
        return lambda number: dies_at(number, self.once, name)


def dies_always(name: str) -> Callable[[int], int]:
    return lambda number: dies_at(3, None, name)


def never_ready(name: str) -> Work:
    raise SetupError(f"no model for {name}")


def reports_progress(name: str) -> Work:
    """Take the next unit before the last one is finished, as a pipeline does."""

    def finish(channel: Channel, number: int) -> None:
        time.sleep(0.1)
        channel.finish(number, name)

    def work(channel: Channel) -> None:
        with ThreadPoolExecutor() as pool:
            for number, unit in channel.units():
                channel.progress(number, f"{name} has {unit}")
                pool.submit(finish, channel, number)

    return work


def test_results_come_in_order(open_executor: OpenExecutor) -> None:
    """Also those that are larger than a pipe's buffer, none at all, and those of a second run."""
    with open_executor("ab", PerUnit(doubles), purpose="doubles") as executor:
        assert [2 * number for number in range(50)] == list(in_order(executor, range(50)))
        assert [] == list(in_order(executor, []))
        assert [0, 2] == list(in_order(executor, range(2)))
    with open_executor("ab", PerUnit(repeats), purpose="repeats") as executor:
        assert [b"x" * 4_000_000] * 8 == list(in_order(executor, [b"x" * 4_000_000] * 8))


def test_units_are_taken_only_as_they_are_needed(open_executor: OpenExecutor) -> None:
    """A large dataset isn't read in advance."""
    taken = []

    def units() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with open_executor("ab", PerUnit(doubles), purpose="doubles") as executor:
        next(executor.run(units()))

    assert len(taken) <= 8


def test_a_worker_can_have_several_units_and_report_their_progress(
    open_executor: OpenExecutor,
) -> None:
    """Each unit is finished once; progress names its unit."""
    with open_executor(["one"], reports_progress, purpose="counts", ahead=0) as executor:
        events = list(executor.run("abcd"))

    assert [0, 1, 2, 3] == sorted(event.number for event in events if isinstance(event, Finished))
    assert ["one has a", "one has b", "one has c", "one has d"] == sorted(
        event.message for event in events if isinstance(event, Progressed)
    )


def test_an_error_of_the_work_is_raised_with_its_location(open_executor: OpenExecutor) -> None:
    """After two more workers have raised it too. Earlier results come first."""
    with open_executor("a", PerUnit(fails_at_three), purpose="fails") as executor:
        results = in_order(executor, range(9))
        before = [next(results) for _ in range(3)]
        with pytest.raises(ValueError, match="three") as raised:
            next(results)

    assert [0, 1, 2] == before
    assert "test_both.py" in raised.value.__notes__[0]


def test_an_error_that_cannot_be_pickled_is_raised_as_text(open_executor: OpenExecutor) -> None:
    """Pickle can't recreate an error whose class takes more than its message."""
    with (
        open_executor("a", PerUnit(fails_oddly), purpose="fails") as executor,
        pytest.raises(RuntimeError, match="OddError: no such thing"),
    ):
        next(in_order(executor, range(1)))


def test_a_dead_worker_is_replaced_and_its_units_are_handed_out_again(
    open_executor: OpenExecutor, tmp_path: Path
) -> None:
    """The Lost event names the units."""
    with open_executor("ab", PerUnit(Dies(tmp_path / "died")), purpose="dies") as executor:
        events = list(executor.run(range(9)))

    (lost,) = [event for event in events if isinstance(event, Lost)]
    assert 3 in lost.numbers
    assert lost.why
    assert list(range(9)) == sorted(event.result for event in events if isinstance(event, Finished))


def test_a_unit_that_three_workers_died_with_is_given_up_and_others_are_finished(
    open_executor: OpenExecutor,
) -> None:
    """Also those that a worker had at the same time."""
    with open_executor("ab", PerUnit(Dies()), purpose="dies") as executor:
        events = list(executor.run(range(9)))

    (given_up,) = [event for event in events if isinstance(event, GivenUp)]
    assert 3 == given_up.number == given_up.lost.numbers[0]
    assert 3 == sum(isinstance(event, Lost) for event in events)
    done = [event.result for event in events if isinstance(event, Finished)]
    assert [0, 1, 2, 4, 5, 6, 7, 8] == sorted(done)


def test_two_units_given_up_in_a_row_end_the_work(open_executor: OpenExecutor) -> None:
    """If no unit is finished in between, the units are hardly at fault."""
    with (
        pytest.raises(SetupError, match=r"a (process|worker) that dies"),
        open_executor("a", PerUnit(dies_always), purpose="dies") as executor,
    ):
        list(executor.run([3] * 9))


def test_in_order_ends_with_one_line_at_a_unit_that_is_given_up(open_executor: OpenExecutor) -> None:
    """It says what the workers do and how to continue."""
    with (
        pytest.raises(SetupError, match=r"a (process|worker) that dies .* it resumes"),
        open_executor("ab", PerUnit(Dies()), purpose="dies") as executor,
    ):
        list(in_order(executor, range(9)))


def test_an_error_of_the_set_up_is_raised_on_entering(open_executor: OpenExecutor) -> None:
    """Before any unit is taken."""
    with (
        pytest.raises(SetupError, match="no model for cuda:0"),
        open_executor(["cuda:0"], never_ready, purpose="waits"),
    ):
        raise AssertionError("entered")
