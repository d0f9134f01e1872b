"""A run records the settings and inputs of each stage, and never mixes old and new files."""

from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.records import Duplicate
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl


def _with_sets(path: Path) -> RunFolder:
    run = RunFolder.create_or_open(path)
    assert run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "a"})
    write_jsonl(run.duplicates_file, [])
    write_jsonl(run.sets_file, [])
    run.finish_stage("sets", {"seconds": 1.5})
    return RunFolder.open(path)


def test_a_finished_stage_with_the_same_fingerprint_has_nothing_to_do(tmp_path: Path) -> None:
    """So running a command again resumes by default."""
    run = _with_sets(tmp_path)

    assert not run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "a"})
    assert {"seconds": 1.5} == run.run_file.stages["sets"].notes


def test_an_interrupted_stage_keeps_its_files(tmp_path: Path) -> None:
    """It has begun and not finished."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("sets", {"bound": 0.5}, {})
    write_jsonl(run.duplicates_file, [])

    assert RunFolder.open(tmp_path).begin_stage("sets", {"bound": 0.5}, {})
    assert run.duplicates_file.exists()


def test_a_changed_setting_is_refused_and_named(tmp_path: Path) -> None:
    """The user decides whether to run the stage again or use another folder. No file is changed."""
    run = _with_sets(tmp_path)
    with pytest.raises(SetupError, match=r"bound = 0\.5, now it is 0\.6; add --fresh sets"):
        run.begin_stage("sets", {"bound": 0.6}, {"embeddings": "a"})

    assert run.sets_file.exists()
    assert RunFolder.open(tmp_path).is_finished("sets")


def test_changed_inputs_alone_run_the_stage_again(tmp_path: Path) -> None:
    """The files derived from the old inputs are removed."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("verdicts", {"bound": 0.5}, {"captions": "a"})
    write_jsonl(run.verdicts_file("multi_en", "s"), [])
    run.finish_stage("verdicts")

    assert run.begin_stage("verdicts", {"bound": 0.5}, {"captions": "b"})
    assert not run.verdicts_file("multi_en", "s").exists()


def test_changed_inputs_keep_the_sets_until_new_ones_are_made(tmp_path: Path) -> None:
    """Sets whose images all stay must not change, and neither must their thresholds."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "a"})
    write_jsonl(run.sets_file, [])
    run.finish_stage("sets", {"related": 0.6})

    assert run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "b"})
    assert run.sets_file.exists()
    assert not run.is_finished("sets")
    assert {"related": 0.6} == run.run_file.stages["sets"].notes


def test_changed_inputs_keep_captions(tmp_path: Path) -> None:
    """A caption stays valid as long as its image or set exists, and may have cost days of GPU time."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("captions", {"model": "m"}, {"sets": "a"})
    journal = run.captions_file("multi_en", "s")
    journal.parent.mkdir(parents=True)
    journal.touch()
    run.finish_stage("captions")

    assert run.begin_stage("captions", {"model": "m"}, {"sets": "b"})
    assert journal.exists()


def test_a_discarded_stage_can_run_with_other_settings(tmp_path: Path) -> None:
    """--fresh removes the stage's files and its fingerprint."""
    run = _with_sets(tmp_path)
    run.discard("sets")

    assert not run.sets_file.exists()
    assert run.begin_stage("sets", {"bound": 0.6}, {"embeddings": "a"})


def test_the_digest_of_inputs_depends_on_their_content(tmp_path: Path) -> None:
    """So a later stage notices if the files of an earlier one have changed."""
    run = _with_sets(tmp_path)
    before = run.digest("sets.jsonl", "duplicates.jsonl")
    write_jsonl(run.duplicates_file, [Duplicate(key="b", of="a", reason="same bytes", cosine_similarity=1.0)])

    assert before != run.digest("sets.jsonl", "duplicates.jsonl")


def test_lost_files_of_a_finished_stage_are_reported(tmp_path: Path) -> None:
    """Number and size are compared, and no file is read. A stage that was reopened has lost nothing."""
    run = _with_sets(tmp_path)

    assert run.loss_of("sets") is None

    run.duplicates_file.unlink()
    loss = run.loss_of("sets")

    assert loss is not None
    assert "sets: 1 files of 0 bytes are there, 2 files of 0 bytes when it had finished" == str(loss)

    run.reopen_stage("sets")

    assert run.loss_of("sets") is None
    assert run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "a"})
    assert run.sets_file.exists()


def test_files_changed_after_their_stage_finished_are_refused_as_inputs(tmp_path: Path) -> None:
    """The error names them. Once their own stage has finished again, the stage that reads them runs."""
    run = _with_sets(tmp_path)
    read = {"sets": run.digest("sets.jsonl"), "duplicates": run.digest("duplicates.jsonl")}
    assert run.begin_stage("verdicts", {}, read)
    run.finish_stage("verdicts")
    run.duplicates_file.write_bytes(b"\n")
    edited = read | {"duplicates": run.digest("duplicates.jsonl")}

    assert ["duplicates.jsonl"] == run.changed_files("sets")
    with pytest.raises(
        SetupError, match=r"duplicates\.jsonl changed after sets had finished.*triptych repair"
    ):
        run.begin_stage("verdicts", {}, edited)
    assert RunFolder.open(tmp_path).is_finished("verdicts")

    run.finish_stage("sets")

    assert run.begin_stage("verdicts", {}, edited)
