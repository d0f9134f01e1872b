"""A run folder is opened, or refused with what to do."""

from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.runs.run_file import FORMAT_VERSION


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    """Both versions are named."""
    (tmp_path / "run.json").write_text(f'{{"format_version": {FORMAT_VERSION + 1}, "stages": 7}}')
    with pytest.raises(SetupError, match=f"run format {FORMAT_VERSION + 1}, this Triptych reads format"):
        RunFolder.open(tmp_path)


def test_any_damage_of_the_run_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Cut off anywhere, a bit flipped anywhere, or missing. Its copy has the same content."""
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
    """Even if it decodes."""
    (tmp_path / "run.json").write_text(f'{{"format_version": {FORMAT_VERSION}}}')
    with pytest.raises(SetupError, match="its checksum doesn't fit"):
        RunFolder.open(tmp_path)


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    """A run is never begun among a user's files."""
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(SetupError, match="not empty"):
        RunFolder.create_or_open(tmp_path)


def test_a_folder_that_was_only_begun_is_begun_again(tmp_path: Path) -> None:
    """A run that was killed before its first run.json leaves its lock and half-written files."""
    for name in (".lock", "run.json.part", ".digests.json.part"):
        (tmp_path / name).write_bytes(b'{"format_')

    assert RunFolder.create_or_open(tmp_path).run_file.stages == {}
    assert (tmp_path / "run.json").exists()


def test_names_of_shards_may_have_folders(tmp_path: Path) -> None:
    """A tar in a subfolder of the source has that folder in its name."""
    run = RunFolder.create_or_open(tmp_path)
    for name in ("sub/b", "a"):
        write_jsonl(run.images_file(name), [])

    assert ["a", "sub/b"] == run.shards()
