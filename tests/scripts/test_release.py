"""Problems that prevent a release are found before anything is built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.release import problems

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that can be released as 0.2.0."""
    (tmp_path / "triptych").mkdir()
    (tmp_path / "triptych" / "__init__.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("title: Triptych\nversion: 0.2.0\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## 0.2.0 (2026-12-01)\n\n- New.\n\n## 0.1.0\n\n- Old.\n"
    )
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "x")


def test_a_complete_checkout_has_no_problems(checkout: Path) -> None:
    """Nor if its tag already exists."""
    assert [] == problems(checkout)

    git(checkout, "tag", "-a", "v0.2.0", "-m", "v0.2.0")

    assert [] == problems(checkout)


@pytest.mark.parametrize(
    ("name", "before", "now", "expected"),
    [
        ("triptych/__init__.py", "0.2.0", "0.2.0.dev1", "expected one such as 0.1.0"),
        ("CITATION.cff", "0.2.0", "0.1.0", "CITATION.cff has version 0.1.0; expected 0.2.0"),
        ("CHANGELOG.md", "## 0.2.0 (2026-12-01)", "## Unreleased", "lines below Unreleased; move them"),
        ("CHANGELOG.md", "- New.", "", "nothing below `## 0.2.0`"),
    ],
)
def test_what_does_not_fit_is_named(checkout: Path, name: str, before: str, now: str, expected: str) -> None:
    """Version, citation, changelog."""
    path = checkout / name
    path.write_text(path.read_text().replace(before, now))
    commit(checkout)

    assert any(expected in line for line in problems(checkout)), problems(checkout)


def test_a_tree_with_uncommitted_changes_is_not_released(checkout: Path) -> None:
    """The changed file is named."""
    (checkout / "new.py").touch()

    assert ["uncommitted changes: new.py; commit first"] == problems(checkout)


def test_a_version_that_is_tagged_elsewhere_is_not_released_again(checkout: Path) -> None:
    """A published version stays as it is."""
    git(checkout, "tag", "-a", "v0.2.0", "-m", "v0.2.0")
    commit(checkout)

    (problem,) = problems(checkout)

    assert problem.startswith("tag v0.2.0 already exists at") and problem.endswith("raise the version")
