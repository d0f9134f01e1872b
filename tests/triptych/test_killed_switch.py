"""A run switches to another encoder and back, and is killed at each file move of the switch: nothing is lost,
and nothing is embedded needlessly."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.support.used_run import IMAGES, UsedRun
from tests.triptych.conftest import Command
from tests.triptych.test_user_actions import FIRST, FRESH, OTHER, RUN
from triptych.runs.folder import RunFolder
from triptych.runs.other_embeddings import FOLDER, other_embeddings

AWAY, BACK = RUN + FRESH + OTHER, RUN + "--encoder ViT-B-32"


class Killed(BaseException):
    """Raised instead of a move, as if the process had been killed there."""


def _kill_at_move(patched: pytest.MonkeyPatch, at: int) -> list[Path]:
    """Raise Killed instead of move number ``at`` into or out of the folder of other embeddings. Returns the
    moves, as a list that grows."""
    done: list[Path] = []
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if FOLDER in f"{path} {target}":
            done.append(path)
            if len(done) == at:
                raise Killed
        return real(path, target)

    patched.setattr(Path, "rename", rename)
    return done


@pytest.mark.parametrize("next_command", ["the same command", "the other encoder"])
@pytest.mark.parametrize("way", ["away", "back"])
def test_a_switch_killed_at_any_move_is_completed_by_the_next_command(
    way: str, next_command: str, triptych: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is then the same as without the kill, and ``verify`` passes."""
    used = UsedRun(tmp_path, monkeypatch)

    def do(command: str, run: Path) -> None:
        outcome = triptych(*shlex.split(command.format(run=run, images=used.images)))
        assert 0 == outcome.exit_code, outcome.stderr

    do(FIRST.command, used.path)
    if way == "back":
        do(AWAY, used.path)
    killed, other = (AWAY, BACK) if way == "away" else (BACK, RUN + OTHER)
    at = 1
    while True:
        run = Path(shutil.copytree(used.path, tmp_path / f"run-{at}"))
        asked = used.costs.asked
        with monkeypatch.context() as patched:
            moves = _kill_at_move(patched, at)
            try:
                do(killed, run)
                break
            except Killed:
                pass
        before = used.costs
        do(killed if next_command == "the same command" else other, run)
        is_new = way == "away" and next_command == "the same command"
        assert (IMAGES if is_new else 0) == used.costs.encoded - before.encoded, at
        assert asked == used.costs.asked
        assert 0 == triptych("verify", run).exit_code
        others = other_embeddings(RunFolder.open(run))
        assert (0 if way == "away" and not is_new else 1) == len(others), at
        assert not (run / FOLDER / "moving").exists()
        at += 1
    assert 6 <= at == len(moves) + 1


def test_an_encoder_that_was_killed_in_its_first_shard_can_be_left_again(
    triptych: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its array without records is put aside with the rest."""
    used = UsedRun(tmp_path, monkeypatch)

    def do(command: str) -> None:
        outcome = triptych(*shlex.split(command.format(run=used.path, images=used.images)))
        assert 0 == outcome.exit_code, outcome.stderr

    def replace(part: Path, path: Path) -> Path:
        if path.is_relative_to(used.path / "images"):
            raise Killed
        return real(part, path)

    do(FIRST.command)
    real = Path.replace
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Path, "replace", replace)
        do(AWAY)
    assert [*(used.path / "embeddings").rglob("*.npy")]
    do(BACK)

    assert 0 == triptych("verify", used.path).exit_code


def test_a_power_cut_may_leave_a_folder_in_both_places(
    triptych: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If only one of the two folders of a move was synced, the next command still undoes the switch."""
    used = UsedRun(tmp_path, monkeypatch)

    def do(command: str) -> None:
        outcome = triptych(*shlex.split(command.format(run=used.path, images=used.images)))
        assert 0 == outcome.exit_code, outcome.stderr

    do(FIRST.command)
    images = shutil.copytree(used.path / "images", tmp_path / "images before")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        _kill_at_move(patched, 3)
        do(AWAY)
    assert (used.path / FOLDER / "moving" / "images").is_dir()
    shutil.copytree(images, used.path / "images", dirs_exist_ok=True)
    do(BACK)

    assert 0 == triptych("verify", used.path).exit_code
