"""What stands in the way of a release is said before anything is built."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.release import problems

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One that can be released as 0.2.0."""
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


def test_nothing_stands_in_the_way_of_a_whole_checkout(checkout: Path) -> None:
    """Also where its tag is there already."""
    assert [] == problems(checkout)

    git(checkout, "tag", "-a", "v0.2.0", "-m", "v0.2.0")

    assert [] == problems(checkout)


@pytest.mark.parametrize(
    ("name", "before", "now", "said"),
    [
        ("triptych/__init__.py", "0.2.0", "0.2.0.dev1", "expected one such as 0.1.0"),
        ("CITATION.cff", "0.2.0", "0.1.0", "CITATION.cff has version 0.1.0; expected 0.2.0"),
        ("CHANGELOG.md", "## 0.2.0 (2026-12-01)", "## Unreleased", "lines below Unreleased; move them"),
        ("CHANGELOG.md", "- New.", "", "nothing below `## 0.2.0`"),
    ],
)
def test_what_does_not_fit_is_named(checkout: Path, name: str, before: str, now: str, said: str) -> None:
    """Version, citation, changelog."""
    path = checkout / name
    path.write_text(path.read_text().replace(before, now))
    commit(checkout)

    assert any(said in line for line in problems(checkout)), problems(checkout)


def test_a_tree_that_is_not_as_committed_is_not_released(checkout: Path) -> None:
    """With the file that differs."""
    (checkout / "new.py").touch()

    assert ["not as committed: new.py; commit first"] == problems(checkout)


def test_a_version_that_is_tagged_elsewhere_is_not_released_again(checkout: Path) -> None:
    """What was published under it stays."""
    git(checkout, "tag", "-a", "v0.2.0", "-m", "v0.2.0")
    commit(checkout)

    (said,) = problems(checkout)

    assert said.startswith("v0.2.0 is a tag of") and said.endswith("raise the version")
