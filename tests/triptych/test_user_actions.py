"""Sequences of commands on one run: each command does only the necessary work, loses nothing, and leaves a
sound run."""

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


class Step(NamedTuple):
    """A command, and what is expected of it. ``{run}``, ``{images}``, ``{folder}`` and ``{first}`` are
    replaced."""

    command: str
    encoded: int = 0
    asked: int = 0
    refused: str = ""
    """A pattern of its error, if it fails."""
    says: str = ""
    before: Callable[[UsedRun], object] = lambda _: None


SET = " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in SETTINGS.items())
RUN = "run {images} --out {run} "
FIRST = Step(RUN + SET, encoded=IMAGES, asked=ALL)
OTHER, FIRST_ENCODER = "--encoder ViT-B-16", "--encoder ViT-B-32"
FRESH = "--fresh embeddings "

BOTH_PROMPTS = "--prompt single_en={folder}/a.txt --prompt multi_en={folder}/b.txt "
SHORT = "--job name=short,subject=image,language=en,prompt={{folder}}/{}.txt "


def _take_server_down(run: UsedRun) -> None:
    run.server.is_down = True


def _restore_server(run: UsedRun) -> None:
    run.server.is_down = run.server.refuses_sets = False


def _add_image_and_take_server_down(run: UsedRun) -> None:
    run.draw("9.png", (99, 30, 99), 9)
    _take_server_down(run)


def _add_image_and_replace_model(run: UsedRun) -> None:
    run.draw("9.png", (99, 30, 99), 9)
    run.server.served_model = "other"


ACTIONS: dict[str, list[Step]] = {
    "the same command again": [FIRST, Step(RUN), Step(RUN + SET)],
    "fresh embeddings by a missing encoder": [
        FIRST,
        Step(RUN + FRESH + "--encoder missing", refused="no weights of missing"),
        Step(RUN + FRESH + "--encoder {folder}/no-folder", refused="no-folder"),
        Step(RUN),
    ],
    "another encoder without fresh": [
        FIRST,
        Step(RUN + OTHER, refused="ViT-B-32.*--fresh embeddings"),
        Step(RUN),
    ],
    "another encoder and back": [
        FIRST,
        Step(RUN + FRESH + OTHER, encoded=IMAGES),
        Step(RUN),
        Step(RUN + FIRST_ENCODER, says="going on with those by ViT-B-32"),
        Step(RUN + FRESH + OTHER, says="going on with those by ViT-B-16"),
    ],
    "another encoder, a new image, and back": [
        FIRST,
        Step(RUN + FRESH + OTHER, encoded=IMAGES),
        Step(RUN, encoded=1, asked=1, before=lambda run: run.draw("9.png", (99, 30, 99), 9)),
        Step(RUN + FIRST_ENCODER, encoded=1),
    ],
    "fresh embeddings by the same encoder": [FIRST, Step(RUN + FRESH, encoded=IMAGES), Step(RUN)],
    "another encoder by config, and back": [
        FIRST,
        Step("config {run} embedding.model=ViT-B-16"),
        Step(RUN, refused="ViT-B-32.*--fresh embeddings"),
        Step("config {run} embedding.model=ViT-B-32"),
        Step(RUN),
    ],
    "a new image while the endpoint is down": [
        FIRST,
        Step(RUN, refused="the server is down", before=_add_image_and_take_server_down),
        Step(RUN, encoded=1, asked=1, before=_restore_server),
    ],
    "a new image while the endpoint serves another model": [
        FIRST,
        Step(RUN, refused="begun with served_model m, now it is other", before=_add_image_and_replace_model),
        Step(RUN, encoded=1, asked=1, before=lambda run: setattr(run.server, "served_model", "m")),
    ],
    "fresh sets while the endpoint is down": [
        FIRST,
        Step(RUN + "--fresh sets", refused="the server is down", before=_take_server_down),
        Step(RUN),
        Step(RUN + "--fresh sets", before=_restore_server),
    ],
    "two prompts at once, and back": [
        FIRST,
        Step(RUN + BOTH_PROMPTS, refused="multi_en were made with prompt.*; those of single_en"),
        Step(RUN + BOTH_PROMPTS + "--fresh captions", asked=ALL),
        Step(RUN + "--set jobs.single_en.prompt=none", says="going on with"),
        Step(RUN + "--set jobs.multi_en.prompt=none", says="going on with"),
        Step(RUN + BOTH_PROMPTS, says="going on with"),
    ],
    "two jobs afresh, one of which the endpoint refuses": [
        FIRST,
        Step(
            RUN + "--fresh captions --job single_en --job multi_en",
            asked=ALL,
            refused="captions multi_en: not one of 2 answers is of use",
            before=lambda run: setattr(run.server, "refuses_sets", True),
        ),
        Step(RUN + "--job single_en", refused="captions are not finished"),
        Step(RUN, asked=SETS, before=_restore_server),
    ],
    "a job is left out and comes back": [
        FIRST,
        Step(RUN + SHORT.format("a"), asked=IMAGES),
        Step(RUN),
        Step(RUN + SHORT.format("a")),
        Step(RUN + SHORT.format("b"), refused="captions of short were made with prompt"),
        Step(RUN + SHORT.format("b") + "--fresh captions", asked=IMAGES),
        Step(RUN + SHORT.format("a")),
    ],
    "other captions in use, and a changed setting": [
        FIRST,
        Step(RUN + "--fresh captions --job single_en", asked=IMAGES),
        Step("captions {run} --use single_en={first}"),
        Step(RUN),
        Step(RUN + "--set captioning.max_tokens_single=99", refused="max_tokens"),
        Step(RUN + "--fresh captions --set captioning.max_tokens_single=99", asked=IMAGES),
        Step("captions {run} --use single_en={first}", says="max_tokens"),
        Step(RUN, says="going on with"),
    ],
    "samples": [
        Step(RUN + SET + " --sample 5", encoded=IMAGES, asked=5 + SETS),
        Step(RUN + "--sample 3"),
        Step(RUN, asked=2),
        Step(RUN + "--sample 1"),
        Step(RUN),
    ],
    "a sample afresh": [
        FIRST,
        Step(RUN + "--fresh captions --job single_en --sample 2", asked=2),
        Step(RUN, asked=5),
        Step("captions {run} --use single_en={first}"),
        Step(RUN),
    ],
    "moved twice": [
        FIRST,
        Step("caption {run} --moved {images}={folder}/b", before=lambda run: run.move("b")),
        Step("caption {run} --moved {images}={folder}/b"),
        Step("caption {run} --moved {folder}/b={folder}/c", before=lambda run: run.move("c")),
        Step(RUN + "--moved {folder}/images={folder}/c"),
        Step("caption {run} --moved {folder}/nowhere={folder}/b", refused="no source of"),
    ],
    "sets of another size, and back": [
        FIRST,
        Step(RUN + "--set-size 3", refused="images = ., now it is 3; add --fresh sets"),
        Step(RUN + "--set-size 3 --fresh sets", asked=SETS),
        Step(RUN + "--set-size 2-5 --fresh sets"),
        Step("group {images} --out {run} --regroup"),
        Step(RUN),
    ],
    "another export while verdicts are stale": [
        FIRST,
        Step("caption {run} --fresh captions --job single_en", asked=IMAGES),
        Step("export {run} --to llava --format llava", refused="verdicts are stale"),
        Step("captions {run} --prune --yes", says="Removed 1."),
        Step(RUN),
        Step("export {run} --to llava --format llava"),
    ],
    "a threshold by config": [
        FIRST,
        Step("config {run} filtering.thresholds.too_short=3"),
        Step(RUN, refused="thresholds.too_short"),
        Step(RUN + "--fresh verdicts"),
        Step(RUN),
    ],
    "a prompt for sets with captions, which then change": [
        FIRST,
        Step(RUN + "--prompt multi_en={folder}/told.toml --fresh captions", asked=SETS),
        Step(RUN),
        Step(RUN + "--fresh captions --job single_en", asked=IMAGES, refused="captions are not finished"),
        Step(RUN, asked=SETS),
        Step("captions {run} --use single_en={first}"),
        Step(RUN),
    ],
    "everything afresh": [
        FIRST,
        Step(
            RUN + "--fresh embeddings --fresh sets --fresh captions --fresh verdicts --fresh export",
            IMAGES,
            ALL,
        ),
        Step("captions {run} --prune --yes", says="Removed 3."),
        Step(RUN),
    ],
    "fresh stages that a command doesn't run": [
        FIRST,
        Step("export {run} --fresh embeddings", refused="'embeddings' is not 'export'"),
        Step("caption {run} --fresh verdicts", refused="'verdicts' is not 'captions'"),
        Step(RUN),
    ],
}


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UsedRun:
    """Images and prompts, without a run."""
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"Describe what you see, as {name} would.")
    prompt = 'version = 1\ntext = "Compare {count} images. {captions}"\nquestion = "Compare."\n'
    (tmp_path / "told.toml").write_text(prompt)
    return UsedRun(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ACTIONS)
def test_commands_do_only_the_necessary_work(
    name: str, used: UsedRun, triptych: Command, tmp_path: Path
) -> None:
    """After each command, all texts that were ever answered are on disk. At the end, `verify` passes."""
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
    """The oldest generation of single_en; empty without a run."""
    there = (run / "run.json").exists()
    return next((each.name for each in generations(RunFolder.open(run), "single_en")), "") if there else ""


def _journalled(run: Path) -> list[Caption]:
    return [row for path in (run / "captions").rglob("*.jsonl") for row in read_journal(path, Caption)]
