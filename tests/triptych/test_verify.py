"""`triptych verify` compares run.json with the files of the run."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.triptych.conftest import Command
from triptych.records import ImageSet, set_id
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.runs.stage_record import with_verb


def test_a_run_that_was_only_grouped_passes(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """Stages that never began are listed, but are no violation. A stage that began and didn't finish is
    one."""
    triptych("group", few_images, "--preset", "demo", "--out", tmp_path / "run")
    outcome = triptych("verify", tmp_path / "run")

    assert 0 == outcome.exit_code
    assert "not asked for yet: captions, verdicts, export" in outcome.stdout

    RunFolder.open(tmp_path / "run").begin_stage("captions", {}, {})
    outcome = triptych("verify", tmp_path / "run")

    assert 1 == outcome.exit_code
    assert "captions were begun and not finished" in outcome.stdout


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("embeddings", "found"),
        ("embeddings", "unreadable"),
        ("sets", "sets"),
        ("sets", "images_in_sets"),
        ("sets", "duplicates"),
        ("captions", "single_en.captioned"),
        ("captions", "single_en.failed"),
    ],
)
def test_a_wrong_count_in_run_json_is_found(stage: str, name: str, triptych: Command, run: Path) -> None:
    """Whatever made it wrong."""
    folder = RunFolder.open(run)
    folder.run_file.stages[stage].notes[name] += 1
    folder.save()

    assert f"run.json notes {name} " in triptych("verify", run).stdout


@pytest.mark.parametrize("stage", ["sets", "verdicts", "export"])
def test_a_stage_made_from_other_inputs_is_found(stage: str, triptych: Command, run: Path) -> None:
    """Sets are made from images, verdicts and the export from captions."""
    folder = RunFolder.open(run)
    name = "images" if stage == "sets" else "captions"
    folder.run_file.stages[stage].inputs[name] = "0" * 64
    folder.save()

    message = {"sets": "sets are stale: images were"}.get(
        stage, f"{with_verb(stage, 'were')} made from other {name} than there"
    )
    assert message in triptych("verify", run).stdout


def test_a_set_with_its_images_in_another_order_is_found(triptych: Command, run: Path) -> None:
    """Even if everything else was made to match: the set's captions would refer to other images."""
    folder = RunFolder.open(run)
    first, *others = folder.sets()
    turned = msgspec.structs.replace(first, keys=first.keys[::-1])
    write_jsonl(folder.sets_file, [turned, *others])
    folder.finish_stage("sets", folder.run_file.stages["sets"].notes)

    assert f"set {first.id} has other images, or in another order" in triptych("verify", run).stdout
    assert first.id == set_id(first.keys) != set_id(turned.keys)


def test_a_check_that_raises_is_one_violation(
    triptych: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other checks still run."""

    def broken(self: RunFolder) -> list[ImageSet]:
        raise KeyError("no such thing")

    monkeypatch.setattr(RunFolder, "sets", broken)
    outcome = triptych("verify", run)

    assert 1 == outcome.exit_code
    assert "BAD  check sets ended with KeyError: 'no such thing'" in outcome.stdout
    assert "ok   6 of 6 images" in outcome.stdout


def test_a_run_of_stored_embeddings_passes(triptych: Command, tmp_path: Path) -> None:
    """It has no images to read."""
    np.save(tmp_path / "rows.npy", np.eye(4, 8, dtype=np.float32))
    triptych("group", "--embeddings", tmp_path / "rows.npy", "--out", tmp_path / "run")

    assert 0 == triptych("verify", tmp_path / "run").exit_code
    assert 0 == triptych("verify", tmp_path / "run", "--image-root", tmp_path).exit_code


def test_a_number_of_images_that_is_none_is_a_usage_error(triptych: Command, tmp_path: Path) -> None:
    outcome = triptych("verify", tmp_path, "--images", "-1")

    assert (2, "triptych: --images -1: expected a number or all\n") == (outcome.exit_code, outcome.stderr)
