"""What was removed, cut short or changed in a finished run is seen, and made again where that can be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.triptych.conftest import Command, again
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
def test_a_file_that_was_removed_is_made_again(
    name: str, triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """The same bytes, wherever in the run it lay; and the run is sound."""
    (path,) = run.glob(name)
    path.unlink()

    assert 1 == triptych("verify", run).exit_code

    again(triptych, few_images, run)

    assert (finished / path.relative_to(run)).read_bytes() == path.read_bytes()
    assert 0 == triptych("verify", run).exit_code


def test_captions_that_were_cut_off_after_the_stage_had_finished_are_made_again(
    triptych: Command, few_images: Path, finished: Path, run: Path
) -> None:
    """Also where a damaged line was taken out by hand, as the message on it says."""
    (journal,) = run.glob("captions/single_en/*/files-00000.jsonl")
    before = journal.read_bytes()
    journal.write_bytes(before[:-10])
    again(triptych, few_images, run)

    assert sorted(before.splitlines()) == sorted(journal.read_bytes().splitlines())
    for exported in (finished / "export").iterdir():
        assert exported.read_bytes() == (run / "export" / exported.name).read_bytes()


def test_an_image_record_that_was_taken_out_is_not_passed_over(
    triptych: Command, few_images: Path, run: Path
) -> None:
    """The run ends with what to do; the damaged file removed, it goes on."""
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
    again(triptych, few_images, run)

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
def test_a_file_that_was_edited_is_not_taken_for_a_new_one(
    name: str, triptych: Command, few_images: Path, run: Path
) -> None:
    """One byte is another: what is made of it stays as it was, until the file is put back or made again."""
    before = (run / name).read_bytes()
    (run / name).write_bytes(before[:-3] + bytes([before[-3] ^ 1]) + before[-2:])
    exported = {path.name: path.read_bytes() for path in (run / "export").iterdir()}

    assert_one_line(again(triptych, few_images, run), 1, name, "damaged", "repair")
    assert exported == {path.name: path.read_bytes() for path in (run / "export").iterdir()}

    (run / name).write_bytes(before)

    assert 0 == again(triptych, few_images, run).exit_code


@pytest.mark.parametrize("content", [b"", b"no numpy file at all"])
def test_verify_names_an_embeddings_file_that_cannot_be_read(
    content: bytes, triptych: Command, run: Path
) -> None:
    """Whatever is in it."""
    (run / "embeddings" / "files-00000.npy").write_bytes(content)
    outcome = triptych("verify", run)

    assert 1 == outcome.exit_code
    assert "files-00000.npy can't be read" in outcome.stdout


def test_verify_sees_embeddings_that_were_changed(triptych: Command, run: Path) -> None:
    """As long as before, and no longer what the sets were made of."""
    path = run / "embeddings" / "files-00000.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    outcome = triptych("verify", run)

    assert 1 == outcome.exit_code
    assert "files-00000.npy was damaged or edited after embeddings had finished" in outcome.stdout


@pytest.mark.parametrize("command", ["status", "verify", "report"])
def test_commands_that_look_say_what_has_gone(command: str, triptych: Command, run: Path) -> None:
    """And who makes it again."""
    (run / "sets.jsonl").unlink()
    outcome = triptych(command, run)

    assert 1 == outcome.exit_code
    assert "sets.jsonl is missing; `triptych run`" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("command", ["filter", "export"])
def test_stages_wait_for_sets_that_are_to_be_made_again(command: str, triptych: Command, run: Path) -> None:
    """Without them there is no plan."""
    (run / "sets.jsonl").unlink()

    said = f"sets are not finished; run `triptych group SOURCE... --out {run}` first"
    assert_one_line(triptych(command, run), 1, said)


@pytest.mark.parametrize("config", [{"sources": 5}, {"sourcez": []}, {"sets": {"max_images": "many"}}])
def test_a_stored_config_that_makes_no_sense(
    config: dict[str, object], triptych: Command, tmp_path: Path
) -> None:
    """The file is named."""
    RunFolder(tmp_path, RunFile(config=config)).save()

    assert_one_line(triptych("status", tmp_path), 1, "run.json has a config", "restore")


def test_a_run_folder_below_a_file(triptych: Command, few_images: Path, tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "notes").touch()
    outcome = triptych("group", few_images, "--preset", "demo", "--out", tmp_path / "notes" / "run")

    assert_one_line(outcome, 1, "notes is a file, expected a folder")


def test_a_folder_where_a_file_of_the_run_should_be(triptych: Command, run: Path) -> None:
    """One line, like any other fault of the file system."""
    (run / "sets.jsonl").unlink()
    (run / "sets.jsonl").mkdir()

    assert_one_line(triptych("status", run), 1, "Is a directory", "sets.jsonl")


def test_a_reader_that_has_had_enough(run: Path) -> None:
    """`triptych status run | head`: no words on it."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "triptych", "status", str(run)]
    ended = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, timeout=60)
    os.close(write_end)

    assert (1, b"") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("damage", [b"", b"\n", b'{"name": 5}\n', b"\xff"])
def test_damaged_sources_are_named_and_writtenagain(
    damage: bytes, triptych: Command, few_images: Path, run: Path
) -> None:
    """It isn't said that the sources are other ones; once the file is out of the way, it is made again."""
    listed = run / "sources.jsonl"
    before = listed.read_bytes()
    listed.write_bytes(damage + before[len(damage) :])

    outcome = again(triptych, few_images, run)

    if damage:
        assert_one_line(outcome, 1, "sources.jsonl changed after embeddings had finished", "triptych repair")
    listed.unlink()
    assert 0 == again(triptych, few_images, run).exit_code
    assert before == listed.read_bytes()


def test_an_edited_export_is_not_passed_over(triptych: Command, few_images: Path, run: Path) -> None:
    """Neither is it taken for what was exported, nor overwritten."""
    card = run / "export" / "README.md"
    for edited in (card.read_bytes().replace(b"e", b"E"), b"mine"):
        card.write_bytes(edited)

        assert_one_line(again(triptych, few_images, run), 1, "export/README.md", "damaged", "triptych repair")
        assert edited == card.read_bytes()
