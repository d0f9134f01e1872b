"""What every executor does: one specification, and both implementations pass it."""

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
    """Wants more than its message."""

    def __init__(self, what: str, when: str) -> None:
        super().__init__(f"{what} {when}")


def fails_oddly(name: str) -> Callable[[int], int]:
    def work(number: int) -> int:
        raise OddError("no such", "thing")

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


def dies_always(name: str) -> Callable[[int], int]:
    return lambda number: dies_at(3, None, name)


def never_ready(name: str) -> Work:
    raise SetupError(f"no model for {name}")


def says_how_far(name: str) -> Work:
    """Takes the next unit while it has one in hand, as a pipeline does."""

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
    """Also more than a pipe holds, none at all, and a second time."""
    with open_executor("ab", PerUnit(doubles), purpose="doubles") as executor:
        assert [2 * number for number in range(50)] == list(in_order(executor, range(50)))
        assert [] == list(in_order(executor, []))
        assert [0, 2] == list(in_order(executor, range(2)))
    with open_executor("ab", PerUnit(repeats), purpose="repeats") as executor:
        assert [b"x" * 4_000_000] * 8 == list(in_order(executor, [b"x" * 4_000_000] * 8))


def test_units_are_taken_as_results_are(open_executor: OpenExecutor) -> None:
    """An iterator over a dataset isn't read ahead of its end."""
    taken = []

    def units() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with open_executor("ab", PerUnit(doubles), purpose="doubles") as executor:
        next(executor.run(units()))

    assert len(taken) <= 8


def test_a_worker_may_have_several_units_in_hand_and_say_how_far_they_are(
    open_executor: OpenExecutor,
) -> None:
    """Each is finished once; progress names its unit."""
    with open_executor(["one"], says_how_far, purpose="counts", ahead=0) as executor:
        events = list(executor.run("abcd"))

    assert [0, 1, 2, 3] == sorted(event.number for event in events if isinstance(event, Finished))
    assert ["one has a", "one has b", "one has c", "one has d"] == sorted(
        event.message for event in events if isinstance(event, Progressed)
    )


def test_a_fault_of_the_work_is_raised_with_where_it_was(open_executor: OpenExecutor) -> None:
    """After two more workers had it too; the results before it come first."""
    with open_executor("a", PerUnit(fails_at_three), purpose="fails") as executor:
        results = in_order(executor, range(9))
        before = [next(results) for _ in range(3)]
        with pytest.raises(ValueError, match="three") as raised:
            next(results)

    assert [0, 1, 2] == before
    assert "test_both.py" in raised.value.__notes__[0]


def test_a_fault_that_cannot_be_sent_is_told_in_words(open_executor: OpenExecutor) -> None:
    """An error whose class wants more than its message is never made again by pickle."""
    with (
        open_executor("a", PerUnit(fails_oddly), purpose="fails") as executor,
        pytest.raises(RuntimeError, match="OddError: no such thing"),
    ):
        next(in_order(executor, range(1)))


def test_a_worker_that_dies_is_replaced_and_its_units_are_given_out_again(
    open_executor: OpenExecutor, tmp_path: Path
) -> None:
    """The loss is an event that names the units."""
    with open_executor("ab", PerUnit(Dies(tmp_path / "died")), purpose="dies") as executor:
        events = list(executor.run(range(9)))

    (lost,) = [event for event in events if isinstance(event, Lost)]
    assert 3 in lost.numbers
    assert lost.why
    assert list(range(9)) == sorted(event.result for event in events if isinstance(event, Finished))


def test_a_unit_at_which_three_workers_die_is_given_up_and_the_others_are_done(
    open_executor: OpenExecutor,
) -> None:
    """Also those that a worker had in hand beside it."""
    with open_executor("ab", PerUnit(Dies()), purpose="dies") as executor:
        events = list(executor.run(range(9)))

    (given_up,) = [event for event in events if isinstance(event, GivenUp)]
    assert 3 == given_up.number == given_up.lost.numbers[0]
    assert 3 == sum(isinstance(event, Lost) for event in events)
    done = [event.result for event in events if isinstance(event, Finished)]
    assert [0, 1, 2, 4, 5, 6, 7, 8] == sorted(done)


def test_units_that_are_all_given_up_are_no_fault_of_theirs(open_executor: OpenExecutor) -> None:
    """After the second one, with none finished between, the work ends."""
    with (
        pytest.raises(SetupError, match=r"a (process|worker) that dies"),
        open_executor("a", PerUnit(dies_always), purpose="dies") as executor,
    ):
        list(executor.run([3] * 9))


def test_a_unit_at_which_workers_keep_dying_is_one_line(open_executor: OpenExecutor) -> None:
    """What they do, how they ended and what to do; nothing waits for them."""
    with (
        pytest.raises(SetupError, match=r"a (process|worker) that dies .* it goes on"),
        open_executor("ab", PerUnit(Dies()), purpose="dies") as executor,
    ):
        list(in_order(executor, range(9)))


def test_what_a_set_up_raises_is_raised_on_entering(open_executor: OpenExecutor) -> None:
    """Before any unit is taken."""
    with (
        pytest.raises(SetupError, match="no model for cuda:0"),
        open_executor(["cuda:0"], never_ready, purpose="waits"),
    ):
        raise AssertionError("entered")
