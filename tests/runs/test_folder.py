"""Opening a run folder. An error says what to do."""

from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.runs.run_file import FORMAT_VERSION


def test_a_run_of_another_format_version_is_refused(tmp_path: Path) -> None:
    """The error names both versions."""
    (tmp_path / "run.json").write_text(f'{{"format_version": {FORMAT_VERSION + 1}, "stages": 7}}')
    with pytest.raises(SetupError, match=f"run format {FORMAT_VERSION + 1}, this Triptych reads format"):
        RunFolder.open(tmp_path)


def test_a_damaged_or_missing_run_file_is_refused(tmp_path: Path) -> None:
    """It may be cut off or have a flipped bit anywhere. The error names the repair command, which uses a
    copy."""
    RunFolder.create_or_open(tmp_path)
    path = tmp_path / "run.json"
    whole = path.read_bytes()

    assert whole == (tmp_path / ".run.json.copy").read_bytes()

    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(SetupError, match=r"run\.json is damaged: .*`triptych repair"):
                RunFolder.open(tmp_path)
    path.unlink()
    for opening in (RunFolder.open, RunFolder.create_or_open):
        with pytest.raises(SetupError, match=r"run\.json is missing; `triptych repair"):
            opening(tmp_path)


def test_a_run_file_without_a_checksum_is_refused(tmp_path: Path) -> None:
    """Even if it can be decoded."""
    (tmp_path / "run.json").write_text(f'{{"format_version": {FORMAT_VERSION}}}')
    with pytest.raises(SetupError, match="its checksum doesn't fit"):
        RunFolder.open(tmp_path)


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    """A run is never created among a user's files."""
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(SetupError, match="not empty"):
        RunFolder.create_or_open(tmp_path)


def test_a_run_that_was_killed_while_being_created_is_created_again(tmp_path: Path) -> None:
    """If killed before its first run.json was written, it leaves a lock and partial files."""
    for name in (".lock", "run.json.part", ".digests.json.part"):
        (tmp_path / name).write_bytes(b'{"format_')

    assert RunFolder.create_or_open(tmp_path).run_file.stages == {}
    assert (tmp_path / "run.json").exists()


def test_the_name_of_a_shard_may_contain_folders(tmp_path: Path) -> None:
    """The name of a tar in a subfolder of the source includes that folder."""
    run = RunFolder.create_or_open(tmp_path)
    for name in ("sub/b", "a"):
        write_jsonl(run.images_file(name), [])

    assert ["a", "sub/b"] == run.shards()


def test_a_damaged_record_is_named_when_the_first_image_is_read(tmp_path: Path) -> None:
    """Nothing else has looked at the file before."""
    run = RunFolder.create_or_open(tmp_path)
    run.images_file("a").parent.mkdir()
    run.images_file("a").write_bytes(b'{"key": 7}\n')

    with pytest.raises(SetupError, match=r"images/a\.jsonl, line 1: .*`triptych repair` sets it aside"):
        run.first_image("a")
