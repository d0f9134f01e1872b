"""A run knows the settings and inputs of each stage, and never mixes old and new files."""

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
    """Resuming is the default."""
    run = _with_sets(tmp_path)

    assert not run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "a"})
    assert {"seconds": 1.5} == run.run_file.stages["sets"].notes


def test_an_interrupted_stage_keeps_what_it_wrote(tmp_path: Path) -> None:
    """It was begun and not finished."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("sets", {"bound": 0.5}, {})
    write_jsonl(run.duplicates_file, [])

    assert RunFolder.open(tmp_path).begin_stage("sets", {"bound": 0.5}, {})
    assert run.duplicates_file.exists()


def test_a_changed_setting_is_refused_and_named(tmp_path: Path) -> None:
    """The user decides: make it again, or use another folder. Nothing is touched."""
    run = _with_sets(tmp_path)
    with pytest.raises(SetupError, match=r"bound = 0\.5, now it is 0\.6; add --fresh sets"):
        run.begin_stage("sets", {"bound": 0.6}, {"embeddings": "a"})

    assert run.sets_file.exists()
    assert RunFolder.open(tmp_path).is_finished("sets")


def test_changed_inputs_alone_run_the_stage_again(tmp_path: Path) -> None:
    """Derived files follow their inputs."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("verdicts", {"bound": 0.5}, {"captions": "a"})
    write_jsonl(run.verdicts_file("multi_en", "s"), [])
    run.finish_stage("verdicts")

    assert run.begin_stage("verdicts", {"bound": 0.5}, {"captions": "b"})
    assert not run.verdicts_file("multi_en", "s").exists()


def test_changed_inputs_keep_sets_until_others_are_found(tmp_path: Path) -> None:
    """Sets whose images stay have to stay; so do the thresholds that they were made with."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "a"})
    write_jsonl(run.sets_file, [])
    run.finish_stage("sets", {"related": 0.6})

    assert run.begin_stage("sets", {"bound": 0.5}, {"embeddings": "b"})
    assert run.sets_file.exists()
    assert not run.is_finished("sets")
    assert {"related": 0.6} == run.run_file.stages["sets"].notes


def test_changed_inputs_keep_captions(tmp_path: Path) -> None:
    """A caption stays valid as long as its image or set exists: GPU days are not thrown away."""
    run = RunFolder.create_or_open(tmp_path)
    run.begin_stage("captions", {"model": "m"}, {"sets": "a"})
    journal = run.captions_file("multi_en", "s")
    journal.parent.mkdir(parents=True)
    journal.touch()
    run.finish_stage("captions")

    assert run.begin_stage("captions", {"model": "m"}, {"sets": "b"})
    assert journal.exists()


def test_a_discarded_stage_can_be_made_with_other_settings(tmp_path: Path) -> None:
    """--fresh removes the stage's files and its fingerprint."""
    run = _with_sets(tmp_path)
    run.discard("sets")

    assert not run.sets_file.exists()
    assert run.begin_stage("sets", {"bound": 0.6}, {"embeddings": "a"})


def test_the_digest_of_inputs_follows_their_bytes(tmp_path: Path) -> None:
    """A later stage sees that an earlier one's files changed."""
    run = _with_sets(tmp_path)
    before = run.digest("sets.jsonl", "duplicates.jsonl")
    write_jsonl(run.duplicates_file, [Duplicate(key="b", of="a", reason="same bytes", cosine_similarity=1.0)])

    assert before != run.digest("sets.jsonl", "duplicates.jsonl")


def test_files_that_a_finished_stage_has_lost_are_counted(tmp_path: Path) -> None:
    """By number and size, without reading them; a stage that is marked unfinished again has lost nothing."""
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


def test_files_that_changed_although_their_stage_has_not_run_since_are_refused(tmp_path: Path) -> None:
    """The stage that reads them names them, and runs once they have been made again."""
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
