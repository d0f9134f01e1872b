"""Attributes of errors, for programs that catch them."""

import pickle
from pathlib import Path

import pytest

from triptych.errors import SetupError, UsageError
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.settings import load_config
from triptych.sources.opening import open_sources


@pytest.mark.parametrize(
    ("flags", "key"),
    [({"sets.max_setz": 3}, "sets.max_setz"), ({"sets.max_sets": "many"}, "sets.max_sets")],
)
def test_a_config_error_has_its_key(flags: dict[str, object], key: str) -> None:
    """For an unknown key, and for a value of the wrong type."""
    with pytest.raises(UsageError) as raised:
        load_config("demo", flags=flags)

    assert key == raised.value.key


def test_an_error_about_changed_settings_has_the_first_one_and_the_run(tmp_path: Path) -> None:
    """So a program can ask whether to run the stage again."""
    run = RunFolder.create_or_open(tmp_path / "run")
    run.begin_stage("sets", {"bound": 1}, {})
    with pytest.raises(SetupError) as raised:
        run.begin_stage("sets", {"bound": 2}, {})

    assert ("bound", tmp_path / "run") == (raised.value.key, raised.value.path)


def test_an_error_about_a_file_has_its_path(tmp_path: Path) -> None:
    """A missing source, or a damaged file of a run."""
    with pytest.raises(UsageError) as raised:
        open_sources([tmp_path / "none"])

    assert tmp_path / "none" == raised.value.path

    run = RunFolder.create_or_open(tmp_path / "run")
    write_jsonl(run.sets_file, [])
    run.sets_file.write_text("no set\n")
    with pytest.raises(SetupError) as damaged:
        list(run.sets())

    assert run.sets_file == damaged.value.path


def test_an_error_survives_pickling() -> None:
    """Workers send their errors to another process."""
    error = pickle.loads(pickle.dumps(SetupError("no space; free some", path="run")))

    assert ("no space; free some", Path("run"), None) == (str(error), error.path, error.key)
