"""The folder of an export is replaced as a whole, and never if it has other files."""

import shutil
from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.runs.folder import RunFolder


def contents(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.export_folder.iterdir()}


def contents_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_old_export_stays_until_the_new_one_has_been_renamed(judged_run, export, monkeypatch) -> None:
    """The renaming may fail, for example because a process has a file in the folder open."""
    run = judged_run()
    export(run)
    before = contents(run)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "export.part":
            raise PermissionError(13, "no")
        return rename(path, target)

    run.fresh_stages.add("export")
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError):
        export(run, prefix="other")
    assert before == contents(run)

    monkeypatch.undo()
    run.fresh_stages.add("export")
    assert export(run, prefix="other")
    assert before.keys() != contents(run).keys()
    assert not (run.path / ".export.replaced").exists()


def test_a_users_copy_beside_the_export_is_not_removed(judged_run, export) -> None:
    """Even with a name like one that an export might use for the old folder."""
    run = judged_run()
    export(run)
    copy = Path(shutil.copytree(run.export_folder, run.path / "export.old"))

    run.fresh_stages.add("export")
    assert export(run, prefix="other")

    assert (copy / "manifest.json").is_file()


@pytest.mark.parametrize("made", ["a folder", "an empty folder", "a file"])
def test_files_and_folders_that_are_no_export_of_the_run_are_not_replaced(
    judged_run, export, try_export, made: str
) -> None:
    """The run's state isn't changed either."""
    run = judged_run()
    if made == "a file":
        run.export_folder.write_text("mine")
    else:
        run.export_folder.mkdir()
    if made == "a folder":
        (run.export_folder / "mine.txt").write_text("mine")

    for act in (export, try_export):
        with pytest.raises(
            SetupError, match=r"run/export exists and is no export of this run; move it, or name"
        ):
            act(run)

    assert run.export_folder.exists()
    assert "export" not in RunFolder.open(run.path).run_file.stages


def test_an_export_with_other_files_in_it_is_not_replaced(judged_run, export) -> None:
    """Even if the state of the export was lost because the process was killed."""
    run = judged_run()
    export(run)
    mine = run.export_folder / "notes" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    before = contents_below(run.export_folder)

    for killed in (False, True):
        run.run_file.stages["export"].finished = not killed
        run.run_file.stages["export"].wrote = {} if killed else run.run_file.stages["export"].wrote
        run.fresh_stages.add("export")
        with pytest.raises(
            SetupError, match=r"notes/mine\.txt wasn't written by this export.*move it elsewhere"
        ):
            export(run, prefix="other")
        assert before == contents_below(run.export_folder)

    mine.unlink()
    run.fresh_stages.add("export")
    assert export(run, prefix="other")


@pytest.mark.parametrize(
    "killed_in", ["triptych.export.stage._describe", "triptych.runs.folder.RunFolder.finish_stage"]
)
def test_an_export_killed_with_a_damaged_manifest_knows_its_own_files(
    judged_run, export, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    """Killed before or after the folder is replaced: neither the old nor the new files look like a user's."""

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    run = judged_run()
    export(run)
    run.fresh_stages.add("export")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(RunFolder, "restore_stage", lambda *_: None)  # a killed process doesn't get there
        patched.setattr(killed_in, kill)
        export(run, prefix="other")
    (run.export_folder / "manifest.json").write_bytes(b"\xff")

    assert export(RunFolder.open(run.path), prefix="other")


def test_a_file_in_place_of_the_export_folder_is_not_replaced(judged_run, export) -> None:
    """Even if the run has had an export there."""
    run = judged_run()
    export(run)
    shutil.rmtree(run.export_folder)
    run.export_folder.write_text("mine")

    run.fresh_stages.add("export")
    with pytest.raises(SetupError, match="run/export exists and is no export of this run"):
        export(run)
    assert "mine" == run.export_folder.read_text()
