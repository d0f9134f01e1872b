"""A result is recorded only if it can be measured again, from a commit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from benchmarks.record import PRINT_ONLY, record, refuse_dirty_tree


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean checkout of one commit."""
    monkeypatch.delenv(PRINT_ONLY, raising=False)
    for path in ("filtering/rule.py", "docs/page.md", "BENCHMARKS.md", "benchmarks/results/old.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("as committed\n")
    identity = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    for arguments in (("init", "-q"), ("add", "."), (*identity, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    return tmp_path


def _result(checkout: Path) -> Path:
    return checkout / "benchmarks" / "results" / "speed.json"


def test_a_result_from_a_clean_tree_is_recorded_with_its_commit(checkout: Path) -> None:
    """And with its command, figures and plot."""
    record("speed", "python -m benchmarks.speed", {"per_s": 3}, plot="<svg/>", root=checkout)

    written = json.loads(_result(checkout).read_text())
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert head.stdout.strip() == written["commit"]
    assert ("python -m benchmarks.speed", {"per_s": 3}) == (written["command"], written["measured"])
    assert "<svg/>" == _result(checkout).with_suffix(".svg").read_text()


@pytest.mark.parametrize(
    "path", ["filtering/rule.py", "docs/page.md", "filtering/new.py", "triptych/new.toml"]
)
def test_a_dirty_tree_is_refused_naming_the_file(checkout: Path, path: str) -> None:
    """A changed tracked file, or an untracked one in a product folder, both before and after the work."""
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).write_text("changed\n")

    with pytest.raises(SystemExit, match=f"^not recorded: {path} not as committed.*commit first"):
        refuse_dirty_tree(checkout)
    with pytest.raises(SystemExit, match=f"^not recorded: {path} not as committed"):
        record("speed", "python -m benchmarks.speed", {"per_s": 3}, root=checkout)
    assert not _result(checkout).exists()


@pytest.mark.parametrize(
    "path", ["BENCHMARKS.md", "benchmarks/results/old.json", "benchmarks/results/new.json"]
)
def test_files_that_recording_changes_are_ignored(checkout: Path, path: str) -> None:
    """Otherwise only the first of several benchmarks could be recorded."""
    (checkout / path).write_text("changed\n")

    refuse_dirty_tree(checkout)
    record("speed", "python -m benchmarks.speed", {"per_s": 3}, root=checkout)

    assert "-dirty" not in json.loads(_result(checkout).read_text())["commit"]


def test_untracked_files_outside_product_folders_are_ignored(checkout: Path) -> None:
    """Notes and scratch files change no measurement."""
    (checkout / "notes.txt").write_text("mine\n")

    refuse_dirty_tree(checkout)


def test_print_only_prints_the_result_and_records_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a dirty tree too, which the printed commit shows."""
    (checkout / "filtering" / "rule.py").write_text("changed\n")
    monkeypatch.setenv(PRINT_ONLY, "1")

    refuse_dirty_tree(checkout)
    record("speed", "python -m benchmarks.speed", {"per_s": 3}, root=checkout)

    printed = capsys.readouterr()
    assert {"per_s": 3} == json.loads(printed.out)["measured"]
    assert json.loads(printed.out)["commit"].endswith("-dirty")
    assert "speed: not recorded, as PRINT_ONLY is set\n" == printed.err
    assert not _result(checkout).exists()


def test_without_git_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no commit to record."""
    monkeypatch.delenv(PRINT_ONLY, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    with pytest.raises(SystemExit, match="no git checkout"):
        refuse_dirty_tree(tmp_path)
