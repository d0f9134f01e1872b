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
from triptych.runs.folder import RunFolder
from triptych.runs.generations import generations
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

BOTH_PROMPTS = "--prompt single_en={folder}/a.txt --prompt multi_en={folder}/b.txt "
SHORT = "--job name=short,subject=image,language=en,prompt={{folder}}/{}.txt "


def _break(run: UsedRun) -> None:
    run.server.is_down = True


def _mend(run: UsedRun) -> None:
    run.server.is_down = run.server.refuses_sets = False


def _add_and_break(run: UsedRun) -> None:
    run.draw("9.png", (99, 30, 99), 9)
    _break(run)


def _add_and_replace(run: UsedRun) -> None:
    run.draw("9.png", (99, 30, 99), 9)
    run.server.served_model = "other"


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
    "another encoder by config, and back": [
        FIRST,
        Do("config {run} embedding.model=ViT-B-16"),
        Do(RUN, refused="ViT-B-32.*--fresh embeddings"),
        Do("config {run} embedding.model=ViT-B-32"),
        Do(RUN),
    ],
    "a new image while the endpoint is down": [
        FIRST,
        Do(RUN, refused="the server is down", before=_add_and_break),
        Do(RUN, encoded=1, asked=1, before=_mend),
    ],
    "a new image while the endpoint serves another model": [
        FIRST,
        Do(RUN, refused="begun with served_model m, now it is other", before=_add_and_replace),
        Do(RUN, encoded=1, asked=1, before=lambda run: setattr(run.server, "served_model", "m")),
    ],
    "fresh sets while the endpoint is down": [
        FIRST,
        Do(RUN + "--fresh sets", refused="the server is down", before=_break),
        Do(RUN),
        Do(RUN + "--fresh sets", before=_mend),
    ],
    "two prompts at once, and back": [
        FIRST,
        Do(RUN + BOTH_PROMPTS, refused="multi_en were made with prompt.*; those of single_en"),
        Do(RUN + BOTH_PROMPTS + "--fresh captions", asked=ALL),
        Do(RUN + "--set jobs.single_en.prompt=none", says="going on with"),
        Do(RUN + "--set jobs.multi_en.prompt=none", says="going on with"),
        Do(RUN + BOTH_PROMPTS, says="going on with"),
    ],
    "two jobs afresh, of which the endpoint takes one": [
        FIRST,
        Do(
            RUN + "--fresh captions --job single_en --job multi_en",
            asked=ALL,
            refused="captions multi_en: not one of 2 answers is of use",
            before=lambda run: setattr(run.server, "refuses_sets", True),
        ),
        Do(RUN + "--job single_en", refused="captions are not finished"),
        Do(RUN, asked=SETS, before=_mend),
    ],
    "a job that is taken out and comes back": [
        FIRST,
        Do(RUN + SHORT.format("a"), asked=IMAGES),
        Do(RUN),
        Do(RUN + SHORT.format("a")),
        Do(RUN + SHORT.format("b"), refused="captions of short were made with prompt"),
        Do(RUN + SHORT.format("b") + "--fresh captions", asked=IMAGES),
        Do(RUN + SHORT.format("a")),
    ],
    "other captions in use, and a changed setting": [
        FIRST,
        Do(RUN + "--fresh captions --job single_en", asked=IMAGES),
        Do("captions {run} --use single_en={first}"),
        Do(RUN),
        Do(RUN + "--set captioning.max_tokens_single=99", refused="max_tokens"),
        Do(RUN + "--fresh captions --set captioning.max_tokens_single=99", asked=IMAGES),
        Do("captions {run} --use single_en={first}", says="max_tokens"),
        Do(RUN, says="going on with"),
    ],
    "samples": [
        Do(RUN + SET + " --sample 5", encoded=IMAGES, asked=5 + SETS),
        Do(RUN + "--sample 3"),
        Do(RUN, asked=2),
        Do(RUN + "--sample 1"),
        Do(RUN),
    ],
    "a sample afresh": [
        FIRST,
        Do(RUN + "--fresh captions --job single_en --sample 2", asked=2),
        Do(RUN, asked=5),
        Do("captions {run} --use single_en={first}"),
        Do(RUN),
    ],
    "moved twice": [
        FIRST,
        Do("caption {run} --moved {images}={folder}/b", before=lambda run: run.move("b")),
        Do("caption {run} --moved {images}={folder}/b"),
        Do("caption {run} --moved {folder}/b={folder}/c", before=lambda run: run.move("c")),
        Do(RUN + "--moved {folder}/images={folder}/c"),
        Do("caption {run} --moved {folder}/nowhere={folder}/b", refused="no source of"),
    ],
    "sets of another size, and back": [
        FIRST,
        Do(RUN + "--set-size 3", refused="images = ., now it is 3; add --fresh sets"),
        Do(RUN + "--set-size 3 --fresh sets", asked=SETS),
        Do(RUN + "--set-size 2-5 --fresh sets"),
        Do("group {images} --out {run} --regroup"),
        Do(RUN),
    ],
    "another export while verdicts are stale": [
        FIRST,
        Do("caption {run} --fresh captions --job single_en", asked=IMAGES),
        Do("export {run} --to llava --format llava", refused="verdicts are stale"),
        Do("captions prune {run} --yes", says="Removed 1."),
        Do(RUN),
        Do("export {run} --to llava --format llava"),
    ],
    "a threshold by config": [
        FIRST,
        Do("config {run} filtering.thresholds.too_short=3"),
        Do(RUN, refused="thresholds.too_short"),
        Do(RUN + "--fresh verdicts"),
        Do(RUN),
    ],
    "sets that are told captions, and others of these": [
        FIRST,
        Do(RUN + "--prompt multi_en={folder}/told.toml --fresh captions", asked=SETS),
        Do(RUN),
        Do(RUN + "--fresh captions --job single_en", asked=IMAGES, refused="captions are not finished"),
        Do(RUN, asked=SETS),
        Do("captions {run} --use single_en={first}"),
        Do(RUN),
    ],
    "everything afresh": [
        FIRST,
        Do(
            RUN + "--fresh embeddings --fresh sets --fresh captions --fresh verdicts --fresh export",
            IMAGES,
            ALL,
        ),
        Do("captions prune {run} --yes", says="Removed 3."),
        Do(RUN),
    ],
    "what a command doesn't make": [
        FIRST,
        Do("export {run} --fresh embeddings", refused="'embeddings' is not 'export'"),
        Do("caption {run} --fresh verdicts", refused="'verdicts' is not 'captions'"),
        Do(RUN),
    ],
}


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UsedRun:
    """Images and prompts, and no run yet."""
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"Describe what you see, as {name} would.")
    told = 'version = 1\ntext = "Compare {count} images. {captions}"\nquestion = "Compare."\n'
    (tmp_path / "told.toml").write_text(told)
    return UsedRun(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_command_costs_what_it_has_to(name: str, used: UsedRun, triptych: Command, tmp_path: Path) -> None:
    """After each, all texts that ever came are on disk, and `verify` finds nothing in a run that finished."""
    for step in ACTIONS[name]:
        step.before(used)
        before = used.costs
        words = shlex.split(
            step.command.format(run=used.path, images=used.images, folder=tmp_path, first=_first(used.path))
        )
        outcome = triptych(*words)

        assert bool(step.refused) == (outcome.exit_code != 0), outcome.stderr
        assert re.search(step.refused, outcome.stderr), outcome.stderr
        assert step.says in outcome.stderr + outcome.stdout
        costs = Costs(used.costs.encoded - before.encoded, used.costs.asked - before.asked)
        assert (step.encoded, step.asked) == costs, (step, outcome.stderr)
        if "prune" in step.command:
            used.server.texts.clear()
        assert set(used.server.texts) <= {row.text for row in _journalled(used.path)}
    verified = triptych("verify", used.path, "--images", "all")
    assert 0 == verified.exit_code, verified.stdout


def _first(run: Path) -> str:
    """The oldest generation of single_en."""
    there = (run / "run.json").exists()
    return next((each.name for each in generations(RunFolder.open(run), "single_en")), "") if there else ""


def _journalled(run: Path) -> list[Caption]:
    return [row for path in (run / "captions").rglob("*.jsonl") for row in read_journal(path, Caption)]
