"""A figure is recorded only from a commit."""

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.record import record, what_is_dirty


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one committed file."""
    (tmp_path / "triptych").mkdir()
    (tmp_path / "triptych" / "a.py").write_text("")
    for arguments in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "a"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def test_a_clean_tree_is_recorded_with_its_commit(checkout: Path) -> None:
    """A result that was recorded before doesn't make the tree dirty."""
    record("first", "python -m benchmarks.first", {"seconds": 1.0}, checkout)
    record("second", "python -m benchmarks.second", {"seconds": 2.0}, checkout)

    written = json.loads((checkout / "benchmarks" / "results" / "second.json").read_text())
    assert {"seconds": 2.0} == written["measured"]
    assert not written["commit"].endswith("-dirty")


@pytest.mark.parametrize("path", ["triptych/a.py", "grouping/new.py"])
def test_a_changed_or_unknown_file_is_refused_in_one_line(checkout: Path, path: str) -> None:
    """It names the file, and nothing is written."""
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_text("x = 1\n")

    with pytest.raises(SystemExit, match=rf"not recorded: {path} not as committed"):
        record("first", "python -m benchmarks.first", {}, checkout)

    assert [path] == what_is_dirty(checkout)
    assert not (checkout / "benchmarks" / "results").exists()


def test_figures_can_be_seen_without_a_record(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PRINT_ONLY=1, whatever the tree is like."""
    (checkout / "triptych" / "a.py").write_text("x = 1\n")
    monkeypatch.setenv("PRINT_ONLY", "1")

    record("first", "python -m benchmarks.first", {}, checkout)

    assert not (checkout / "benchmarks" / "results").exists()
