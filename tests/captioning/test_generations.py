"""Generations of captions: whatever settings change, nothing is lost, and nothing is asked for needlessly."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from tests.support import counting_engine
from tests.support.counting_engine import Server
from tests.support.small_run import PLANNED, SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.errors import SetupError
from triptych.jobs import SEED_JOBS, Job, jobs_from
from triptych.records import Caption
from triptych.runs.generation_table import generation_rows
from triptych.runs.generations import remove_generation, superseded
from triptych.runs.journal import read_journal
from triptych.runs.stages import StageStates

ALL = sum(PLANNED.values())
ONE = PLANNED["single_en"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """The engine's server, in its initial state."""
    server = Server()
    monkeypatch.setattr(counting_engine, "SERVER", server)
    return server


class Call(NamedTuple):
    """A call of `triptych caption`, and how many captions it has to make."""

    needed: int
    config: Mapping[str, Any] = MappingProxyType({})
    fresh: bool = False
    prompt: str | None = None
    """The prompt of single_en."""
    server: Mapping[str, Any] = MappingProxyType({})
    refused: str | None = None


def _caption(small_run: SmallRun, call: Call, folder: Path) -> None:
    settings = {"engine": counting_engine.NAME, "ask_again": 0, "tile_px": 112, "max_tiles": 1}
    config = CaptioningConfig(**settings | dict(call.config))
    small_run.caption_jobs(_jobs(call.prompt, folder), config, fresh=call.fresh)


def _jobs(prompt: str | None, folder: Path) -> tuple[Job, ...]:
    if prompt is None:
        return SEED_JOBS
    path = folder / f"{prompt}.toml"
    path.write_text(f'version = 2\ntext = "{prompt}"\n', "utf-8")
    return jobs_from({"single_en": {"prompt": str(path)}})


def _journalled(small_run: SmallRun) -> Iterator[Caption]:
    """All rows of all generations."""
    for path in (small_run.run.path / "captions").rglob("*.jsonl"):
        yield from read_journal(path, Caption)


JUST_ONE = {"jobs": ("single_en",)}
TWO_MODELS = ({"model": "one"}, {"model": "two"})
ACTIONS: dict[str, list[Call]] = {
    "the same again": [Call(ALL), Call(0)],
    "fresh of a job": [Call(ALL), Call(ONE, JUST_ONE, fresh=True), Call(0)],
    "fresh of all": [Call(ALL), Call(ALL, fresh=True), Call(0)],
    "a changed prompt": [
        Call(ALL),
        Call(
            0, prompt="new", refused=r"single_en were made with prompt.*13 captions.*--job single_en: the old"
        ),
        Call(ONE, prompt="new", fresh=True),
        Call(0, prompt="new"),
    ],
    "a changed prompt, and other jobs": [Call(ALL), Call(0, {"jobs": ("multi_en",)}, prompt="new")],
    "a changed prompt and back": [
        Call(ALL),
        Call(ONE, prompt="new", fresh=True),
        Call(0),
        Call(0, prompt="new"),
        Call(0),
    ],
    "half of a changed prompt and back": [
        Call(ALL),
        Call(5, prompt="new", fresh=True, server={"dies_after": 5}, refused="died"),
        Call(0),
        Call(ONE - 5, prompt="new", server={"dies_after": None}),
    ],
    "a changed model and back": [
        Call(ALL, TWO_MODELS[0]),
        Call(0, TWO_MODELS[1], refused="model = 'one', now it is 'two'"),
        Call(ALL, TWO_MODELS[1], fresh=True),
        Call(0, TWO_MODELS[0]),
        Call(0, TWO_MODELS[1]),
    ],
    "a changed sampling of a job": [
        Call(ALL),
        Call(ONE, {"sampling": {"single_en": {"temperature": 0.5}}}, fresh=True),
        Call(0),
    ],
    "another number of tiles": [Call(ALL), Call(ALL, {"max_tiles": 2}, fresh=True), Call(0)],
    "a server that serves another model": [
        Call(8, {"sample": 2}),
        Call(0, server={"served_model": "other"}, refused="served_model m, now it is other"),
        Call(ALL, fresh=True),
        Call(0),
    ],
    "a sample, then all": [
        Call(8, {"sample": 2}),
        Call(0, {"sample": 2}),
        Call(ALL - 8),
        Call(0, {"sample": 2}),
        Call(0),
    ],
    "a sample of half of it": [
        Call(5, server={"dies_after": 5}, refused="died"),
        Call(3, {"sample": 3, "jobs": ("multi_zh",)}, server={"dies_after": None}),
        Call(ALL - 8),
    ],
    "fresh while the server is down": [
        Call(ALL),
        Call(0, fresh=True, server={"is_down": True}, refused="down"),
        Call(0),
    ],
    "fresh at a server that refuses all": [
        Call(ALL),
        Call(ONE, JUST_ONE, fresh=True, server={"refuses": True}, refused="not one of 13 answers"),
        Call(ONE, JUST_ONE, fresh=True, server={"refuses": False}),
        Call(0, {"retry_failed": True}),
    ],
    "fresh at a server that refuses all, and back": [
        Call(ALL),
        Call(ONE, JUST_ONE, prompt="new", fresh=True, server={"refuses": True}, refused="not one of"),
        Call(0, server={"refuses": False}),
    ],
    "fresh, interrupted, and the same again": [
        Call(ALL),
        Call(5, JUST_ONE, fresh=True, server={"dies_after": 5}, refused="died"),
        Call(ONE - 5, JUST_ONE, fresh=True, server={"dies_after": None}),
        Call(0),
        Call(ONE, JUST_ONE, fresh=True),
    ],
    "retrying at a server that is down": [
        Call(ONE, JUST_ONE, server={"refuses": True}, refused="not one of 13 answers"),
        Call(0, JUST_ONE, server={"is_down": True}, refused="down"),
        Call(ALL, server={"is_down": False, "refuses": False}),
    ],
}


@pytest.mark.parametrize("name", ACTIONS)
def test_only_missing_captions_are_asked_for(
    name: str, small_run: SmallRun, server: Server, tmp_path: Path
) -> None:
    """After each call, all texts ever received are on disk, and each caption that counts is there once."""
    for call in ACTIONS[name]:
        for key, value in call.server.items():
            setattr(server, key, value)
        before = len(server.asked)
        call = call._replace(config={**call.config, "sampling": _sampling(call)})
        if call.refused is None:
            _caption(small_run, call, tmp_path)
        else:
            with pytest.raises(SetupError, match=call.refused):
                _caption(small_run, call, tmp_path)

        assert call.needed == len(server.asked) - before, call
        assert set(server.texts) <= {row.text for row in _journalled(small_run)}
        small_run.rows()
    assert small_run.run.is_finished("captions")


def _sampling(call: Call) -> dict[str, Any]:
    from triptych.captioning.sampling_config import JobSampling

    return {job: JobSampling(**given) for job, given in call.config.get("sampling", {}).items()}


def test_a_sample_does_not_lower_the_limit_of_a_finished_job(
    small_run: SmallRun, server: Server, tmp_path: Path
) -> None:
    """A larger sample raises it. Nor in a copy of the run, whose journals have other times."""
    limits = []
    for sample in (2, 3, None, 2):
        for journal in small_run.run.captions_root.rglob("*.jsonl"):
            journal.touch()
        _caption(small_run, Call(0, {"sample": sample, "jobs": ("single_en",)}), tmp_path)
        notes = small_run.run.run_file.stages["captions"].notes
        limits.append((notes["single_en.limit"], notes["single_en.planned"]))

    assert [(2, 2), (3, 3), (None, ONE), (None, ONE)] == limits


class Killed(BaseException):
    """Raised instead of a write."""


def test_a_killed_switch_of_generations_is_resumed_by_the_same_command(
    small_run: SmallRun, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is killed before each write of run.json and generation.json in turn."""
    _caption(small_run, Call(ALL), tmp_path)
    undisturbed, texts = small_run.run.path, set(server.texts)
    fresh = Call(ONE, JUST_ONE, fresh=True)
    writes = 0
    for at in range(1, 99):
        shutil.copytree(undisturbed, tmp_path / f"killed-{at}")
        small_run.run = small_run.run.open(tmp_path / f"killed-{at}")
        before = len(server.asked)
        with monkeypatch.context() as patched:
            writes = _kill_at(patched, at)
            try:
                _caption(small_run, fresh, tmp_path)
                break
            except Killed:
                pass
        _caption(small_run, fresh, tmp_path)

        assert ONE == len(server.asked) - before, at
        assert texts <= {row.text for row in _journalled(small_run)}
        assert ONE == sum(row.job == "single_en" for row in small_run.rows().values())
    assert 4 < at and writes


def _kill_at(patched: pytest.MonkeyPatch, at: int) -> list[str]:
    done: list[str] = []

    def counted(name: str, write: Any) -> Any:
        def writing(*arguments: Any) -> Any:
            done.append(name)
            if len(done) == at:
                raise Killed
            return write(*arguments)

        return writing

    from triptych.runs import generations

    patched.setattr(StageStates, "save", counted("run.json", StageStates.save))
    patched.setattr(generations, "write_twice", counted("generation.json", generations.write_twice))
    return done


def test_generations_are_listed_and_only_old_ones_can_be_removed(
    small_run: SmallRun, server: Server, tmp_path: Path
) -> None:
    """The list shows what differs, and how many captions each has."""
    _caption(small_run, Call(ALL), tmp_path)
    _caption(small_run, Call(ONE, prompt="new", fresh=True), tmp_path)
    run = small_run.run
    old, new = (row for row in generation_rows(run) if row.job == "single_en")

    assert (False, True, ONE, ONE) == (old.counts, new.counts, old.captions, new.captions)
    assert [] == new.differences
    assert "prompt = 'version 1" in old.differences[0]
    assert [("single_en", old.generation)] == list(superseded(run))
    with pytest.raises(Exception, match="can't be removed"):
        remove_generation(run, "single_en", new.generation)

    remove_generation(run, "single_en", old.generation)

    assert [] == list(superseded(run))
    assert ALL == len(small_run.rows())


def test_edited_settings_of_a_generation_are_noticed(
    small_run: SmallRun, server: Server, tmp_path: Path
) -> None:
    """Even if their checksum is valid: the generation's name is a digest of them."""
    _caption(small_run, Call(ALL), tmp_path)
    path = small_run.run.captions_folder("single_en") / "generation.json"
    other = small_run.run.captions_folder("single_zh") / "generation.json"
    path.write_bytes(other.read_bytes())

    with pytest.raises(SetupError, match=r"generation\.json belongs to other captions than those beside it"):
        _caption(small_run, Call(0), tmp_path)
