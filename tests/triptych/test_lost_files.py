"""Removed, truncated and changed files of a finished run are noticed, and made again if possible."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, run_again
from tests.triptych.test_bad_input import assert_one_line
from triptych.runs.folder import RunFolder
from triptych.runs.stage_record import RunFile

WRITTEN = (
    "images/files-00000.jsonl",
    "embeddings/files-00000.npy",
    "sets.jsonl",
    "duplicates.jsonl",
    "captions/single_en/*/files-00000.jsonl",
    "verdicts/single_en/files-00000.jsonl",
    "export/README.md",
)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_removed_file_is_made_again(
    name: str, triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """With the same bytes, and `verify` passes."""
    (path,) = run.glob(name)
    path.unlink()

    assert 1 == triptych("verify", run).exit_code

    run_again(triptych, few_images, run)

    assert (finished / path.relative_to(run)).read_bytes() == path.read_bytes()
    assert 0 == triptych("verify", run).exit_code


@pytest.mark.parametrize("command", ["caption", "filter", "export"])
def test_commands_after_grouping_do_not_take_lost_records_for_a_smaller_run(
    command: str, triptych: Command, run: Path
) -> None:
    """They would count fewer images and captions than there are."""
    before = (run / "run.json").read_bytes()
    for path in (run / "images").iterdir():
        path.unlink()

    assert_one_line(triptych(command, run), 1, "images/files-00000.jsonl is missing; `triptych run` makes it")
    assert before == (run / "run.json").read_bytes()


def test_captions_cut_off_after_their_stage_finished_are_made_again(
    triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """The journal has the same lines again, and the export the same bytes."""
    (journal,) = run.glob("captions/single_en/*/files-00000.jsonl")
    before = journal.read_bytes()
    journal.write_bytes(before[:-10])
    run_again(triptych, few_images, run)

    assert sorted(before.splitlines()) == sorted(journal.read_bytes().splitlines())
    for exported in (finished / "export").iterdir():
        assert exported.read_bytes() == (run / "export" / exported.name).read_bytes()


def test_a_removed_image_record_stops_the_run(triptych: Command, few_images: Path, run: Path) -> None:
    """The error says what to do. Without the damaged file, the same command makes it again."""
    records = run / "images" / "files-00000.jsonl"
    before = records.read_bytes()
    records.write_bytes(before.partition(b"\n")[2])

    assert_one_line(
        triptych("run", few_images, "--preset", "demo", "--out", run),
        1,
        "images/files-00000.jsonl",
        "damaged",
        "repair",
    )

    records.unlink()
    run_again(triptych, few_images, run)

    assert before == records.read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "images/files-00000.jsonl",
        "embeddings/files-00000.npy",
        "sets.jsonl",
        "verdicts/single_en/files-00000.jsonl",
    ],
)
def test_an_edited_file_stops_the_run(name: str, triptych: Command, few_images: Path, run: Path) -> None:
    """One changed bit is enough. The export stays as it was; with the file restored, the command succeeds."""
    before = (run / name).read_bytes()
    (run / name).write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
    exported = {path.name: path.read_bytes() for path in (run / "export").iterdir()}

    assert_one_line(run_again(triptych, few_images, run), 1, name, "damaged", "repair")
    assert exported == {path.name: path.read_bytes() for path in (run / "export").iterdir()}

    (run / name).write_bytes(before)

    assert 0 == run_again(triptych, few_images, run).exit_code


@pytest.mark.parametrize("content", [b"", b"no numpy file at all"])
def test_verify_names_an_embeddings_file_that_cannot_be_read(
    content: bytes, triptych: Command, run: Path
) -> None:
    """An empty one, or one with other content."""
    (run / "embeddings" / "files-00000.npy").write_bytes(content)
    outcome = triptych("verify", run)

    assert 1 == outcome.exit_code
    assert "files-00000.npy can't be read" in outcome.stdout


def test_verify_finds_changed_embeddings(triptych: Command, run: Path) -> None:
    """Also if their size is the same."""
    path = run / "embeddings" / "files-00000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    outcome = triptych("verify", run)

    assert 1 == outcome.exit_code
    assert "files-00000.npy was damaged or edited after embeddings had finished" in outcome.stdout


@pytest.mark.parametrize("command", ["status", "verify", "report"])
def test_commands_that_only_read_name_a_missing_file(command: str, triptych: Command, run: Path) -> None:
    """And the command that makes it again."""
    (run / "sets.jsonl").unlink()
    outcome = triptych(command, run)

    assert 1 == outcome.exit_code
    assert "sets.jsonl is missing; `triptych run`" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("command", ["filter", "export"])
def test_filter_and_export_refuse_to_run_without_sets(command: str, triptych: Command, run: Path) -> None:
    """Without sets there is no plan."""
    (run / "sets.jsonl").unlink()

    message = f"sets are not finished; run `triptych group SOURCE... --out {run}` first"
    assert_one_line(triptych(command, run), 1, message)


@pytest.mark.parametrize("config", [{"sources": 5}, {"sourcez": []}, {"sets": {"max_images": "many"}}])
def test_an_invalid_config_in_run_json_is_refused(
    config: dict[str, object], triptych: Command, tmp_path: Path
) -> None:
    """The error names the file."""
    RunFolder(tmp_path, RunFile(config=config)).save()

    assert_one_line(triptych("status", tmp_path), 1, "run.json has a config", "restore")


def test_a_file_instead_of_a_run_folder_is_one_line(
    triptych: Command, few_images: Path, tmp_path: Path
) -> None:
    """In every place where a run is named."""
    (notes := tmp_path / "notes").touch()

    assert_one_line(triptych("status", notes), 1, "notes is not a run folder", "`triptych run` makes one")
    outcome = triptych("group", few_images, "--preset", "demo", "--out", notes)
    assert_one_line(outcome, 1, "notes is a file, expected a folder; name another with --out")


def test_a_run_folder_inside_a_file_is_refused(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """The error names that file."""
    (tmp_path / "notes").touch()
    outcome = triptych("group", few_images, "--preset", "demo", "--out", tmp_path / "notes" / "run")

    assert_one_line(outcome, 1, "notes is a file, expected a folder")


def test_a_folder_in_place_of_a_run_file_is_one_line(triptych: Command, run: Path) -> None:
    """Like any other error of the file system."""
    (run / "sets.jsonl").unlink()
    (run / "sets.jsonl").mkdir()

    assert_one_line(triptych("status", run), 1, "Is a directory", "sets.jsonl")


def test_a_closed_pipe_ends_the_command_without_a_message(run: Path) -> None:
    """As in `triptych status RUN | head`."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "triptych", "status", str(run)]
    ended = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, timeout=60)
    os.close(write_end)

    assert (1, b"") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("damage", [b"", b"\n", b'{"name": 5}\n', b"\xff"])
def test_a_damaged_list_of_sources_is_named_and_written_again(
    damage: bytes, triptych: Command, few_images: Path, run: Path
) -> None:
    """The error doesn't say that the sources changed. Once the file is removed, it is written again."""
    listed = run / "sources.jsonl"
    before = listed.read_bytes()
    listed.write_bytes(damage + before[len(damage) :])

    outcome = run_again(triptych, few_images, run)

    if damage:
        assert_one_line(outcome, 1, "sources.jsonl changed after embeddings had finished", "triptych repair")
    listed.unlink()
    assert 0 == run_again(triptych, few_images, run).exit_code
    assert before == listed.read_bytes()


def test_an_edited_export_is_refused(triptych: Command, few_images: Path, run: Path) -> None:
    """It is neither accepted nor overwritten."""
    card = run / "export" / "README.md"
    for edited in (card.read_bytes().replace(b"e", b"E"), b"mine"):
        card.write_bytes(edited)

        assert_one_line(
            run_again(triptych, few_images, run), 1, "export/README.md", "damaged", "triptych repair"
        )
        assert edited == card.read_bytes()
