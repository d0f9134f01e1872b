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
    """A cluster with room for ``room`` workers."""

    room: int


def on_nodes(checked: Checked, room: int) -> list[dict[str, Any]]:
    """Let ``checked`` run on such a cluster. Returns the settings of each executor that is opened."""
    executor_settings: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def opened(names: Iterable[str], set_up: SetUp, *, purpose: str, **settings: Any) -> Iterator[Executor]:
        executor_settings.append(settings)
        with LocalExecutor(names, set_up, purpose=purpose, **settings) as executor:
            yield executor

    checked.context = msgspec.structs.replace(checked.context, cluster=Nodes(room), open_executor=opened)
    checked.run.cluster_folder.mkdir(parents=True)
    return executor_settings


def test_a_checker_with_useless_answers_ends_the_command(tmp_path: Path) -> None:
    """All questions are recorded as failures. No more workers are started than may ask at a time."""
    checked = Checked(make_small_run(tmp_path), {"single_en": "A dog stands on a lawn. Its collar is red."})
    executor_settings = on_nodes(checked, room=3)
    with (
        ScriptedEndpoint(lambda _: say("")) as endpoint,
        pytest.raises(SetupError, match=r"^checks single_en: not one of \d+ answers .* command, which asks"),
    ):
        checked.check(endpoint, max_in_flight=1)

    assert [1] == [settings["most"] for settings in executor_settings]
    assert all(row.failure for row in checked.rows("single_en"))


def test_repeated_refusals_do_not_end_the_command(tmp_path: Path) -> None:
    """Even if there are enough of them to end a command, and nothing else to ask."""
    checked = Checked(make_small_run(tmp_path), {"single_en": "A dog. It is red. It is red too. A ball."})
    on_nodes(checked, room=3)
    with ScriptedEndpoint(lambda a: refuse(413, "no") if "red" in words(a) else answer("yes")) as endpoint:
        first, again = (checked.check(endpoint, max_in_flight=1)["single_en"] for _ in range(2))

    assert 26 == first.missing == again.missing
