"""Workers of a cluster as processes of this machine, without Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.checked_run import Checked, answer, words
from tests.support.scripted_endpoint import ScriptedEndpoint, refuse, say
from tests.support.small_run import make_small_run
from triptych.errors import SetupError
from triptych.executors import Executor, SetUp
from triptych.executors.local import LocalExecutor


class Nodes(msgspec.Struct):
    """A cluster with room for so many workers."""

    room: int


def on_nodes(checked: Checked, room: int) -> list[dict[str, Any]]:
    """Have it checked there; returns how workers are asked for."""
    asked_for: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def opened(names: Iterable[str], set_up: SetUp, *, purpose: str, **settings: Any) -> Iterator[Executor]:
        asked_for.append(settings)
        with LocalExecutor(names, set_up, purpose=purpose, **settings) as executor:
            yield executor

    checked.context = msgspec.structs.replace(checked.context, cluster=Nodes(room), open_executor=opened)
    checked.run.cluster_folder.mkdir(parents=True)
    return asked_for


def test_a_checker_whose_answers_are_of_no_use_ends_the_command(tmp_path: Path) -> None:
    """A worker says so, and all is asked for again. No more workers are started than may ask."""
    checked = Checked(make_small_run(tmp_path), {"single_en": "A dog stands on a lawn. Its collar is red."})
    asked_for = on_nodes(checked, room=3)
    with (
        ScriptedEndpoint(lambda _: say("")) as endpoint,
        pytest.raises(SetupError, match=r"^checks single_en: not one of \d+ answers .* command, which asks"),
    ):
        checked.check(endpoint, max_in_flight=1)

    assert [1] == [settings["most"] for settings in asked_for]
    assert all(row.failure for row in checked.rows("single_en"))


def test_what_a_checker_refuses_again_ends_nothing(tmp_path: Path) -> None:
    """More of them than would end a command, with nothing else to ask."""
    checked = Checked(make_small_run(tmp_path), {"single_en": "A dog. It is red. It is red too. A ball."})
    on_nodes(checked, room=3)
    with ScriptedEndpoint(lambda a: refuse(413, "no") if "red" in words(a) else answer("yes")) as endpoint:
        first, again = (checked.check(endpoint, max_in_flight=1)["single_en"] for _ in range(2))

    assert 26 == first.missing == again.missing
