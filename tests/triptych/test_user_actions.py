"""What people do with a run: each command costs what it has to, loses nothing and leaves a sound run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.used_run import IMAGES, SETS, SETTINGS, Costs, UsedRun
from tests.triptych.conftest import Command
from triptych.records import Caption
from triptych.runs.journal import read_journal

ALL = IMAGES + SETS


class Do(NamedTuple):
    """A command, and what it needs. ``{run}``, ``{images}`` and ``{folder}`` stand for these."""

    command: str
    encoded: int = 0
    asked: int = 0
    refused: str = ""
    """What it says where it exits with 1 or 2."""
    says: str = ""
    before: Callable[[UsedRun], object] = lambda _: None


SET = " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in SETTINGS.items())
RUN = "run {images} --out {run} "
FIRST = Do(RUN + SET, encoded=IMAGES, asked=ALL)
OTHER, FIRST_ENCODER = "--encoder ViT-B-16", "--encoder ViT-B-32"
FRESH = "--fresh embeddings "

ACTIONS: dict[str, list[Do]] = {
    "the same again": [FIRST, Do(RUN), Do(RUN + SET)],
    "fresh embeddings by an encoder that isn't there": [
        FIRST,
        Do(RUN + FRESH + "--encoder missing", refused="no weights of missing"),
        Do(RUN + FRESH + "--encoder {folder}/no-folder", refused="no-folder"),
        Do(RUN),
    ],
    "another encoder without fresh": [
        FIRST,
        Do(RUN + OTHER, refused="ViT-B-32.*--fresh embeddings"),
        Do(RUN),
    ],
    "another encoder and back": [
        FIRST,
        Do(RUN + FRESH + OTHER, encoded=IMAGES),
        Do(RUN),
        Do(RUN + FIRST_ENCODER, says="going on with those by ViT-B-32"),
        Do(RUN + FRESH + OTHER, says="going on with those by ViT-B-16"),
    ],
    "another encoder, a new image, and back": [
        FIRST,
        Do(RUN + FRESH + OTHER, encoded=IMAGES),
        Do(RUN, encoded=1, asked=1, before=lambda run: run.draw("9.png", (99, 30, 99), 9)),
        Do(RUN + FIRST_ENCODER, encoded=1),
    ],
    "fresh embeddings by the same encoder": [FIRST, Do(RUN + FRESH, encoded=IMAGES), Do(RUN)],
}


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UsedRun:
    """Images, and no run yet."""
    return UsedRun(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_command_costs_what_it_has_to(name: str, used: UsedRun, triptych: Command, tmp_path: Path) -> None:
    """After each, all texts that ever came are on disk, and `verify` finds nothing in a run that finished."""
    for step in ACTIONS[name]:
        step.before(used)
        before = used.costs
        words = shlex.split(step.command.format(run=used.path, images=used.images, folder=tmp_path))
        outcome = triptych(*words)

        assert bool(step.refused) == (outcome.exit_code != 0), outcome.stderr
        assert re.search(step.refused, outcome.stderr), outcome.stderr
        assert step.says in outcome.stderr + outcome.stdout
        costs = Costs(used.costs.encoded - before.encoded, used.costs.asked - before.asked)
        assert (step.encoded, step.asked) == costs, (step, outcome.stderr)
        assert set(used.server.texts) <= {row.text for row in _journalled(used.path)}
    verified = triptych("verify", used.path, "--images", "all")
    assert 0 == verified.exit_code, verified.stdout


def _journalled(run: Path) -> list[Caption]:
    return [row for path in (run / "captions").rglob("*.jsonl") for row in read_journal(path, Caption)]
