"""Checks whether this checkout can be released, and builds its sdist and wheel.

    python -m scripts.release [--build-only]     # --build-only: doesn't check version, changelog and tag

Comes in: a committed checkout. Goes out: ``dist/`` with an sdist and a wheel, built twice in separate
clones to the same bytes, with metadata that the index accepts; or the problems, one per line. Nothing is
tagged or uploaded. Not its job: running tests (see .ci/run).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RELEASE_VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


def problems(root: Path) -> list[str]:
    """What prevents a release of the checkout, apart from its build."""
    found = []
    version = version_of(root)
    if not RELEASE_VERSION.fullmatch(version):
        found.append(f"triptych/__init__.py has version {version}; expected one such as 0.1.0 or 0.2.0rc1")
    cited = re.search(r"^version: (.+)$", (root / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    if cited is None or cited[1].strip() != version:
        found.append(f"CITATION.cff has version {cited[1] if cited else 'none'}; expected {version}")
    found += _changelog_problems((root / "CHANGELOG.md").read_text("utf-8"), version)
    if dirty := _git(root, "status", "--porcelain"):
        found.append(
            f"uncommitted changes: {', '.join(line[3:] for line in dirty.splitlines()[:3])}; commit first"
        )
    tagged = _git(root, "rev-list", "-n1", f"v{version}", "--", check=False)
    if tagged and tagged != _git(root, "rev-parse", "HEAD"):
        found.append(f"tag v{version} already exists at {tagged[:9]}; raise the version")
    return found


def version_of(root: Path) -> str:
    """The version in triptych/__init__.py."""
    found = re.search(r'^__version__ = "(.+)"$', (root / "triptych" / "__init__.py").read_text("utf-8"), re.M)
    assert found is not None
    return found[1]


def _changelog_problems(changelog: str, version: str) -> list[str]:
    sections = dict(re.findall(r"^## (\S+).*?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL))
    found = []
    if sections.get("Unreleased", "").strip():
        found.append(f"CHANGELOG.md has lines below Unreleased; move them below `## {version}`")
    if not sections.get(version, "").strip():
        found.append(f"CHANGELOG.md has nothing below `## {version}`")
    return found


def build(root: Path, out: Path) -> list[str]:
    """Build HEAD of ``root`` into ``out``. Returns what differs in a second build, or fails `twine check`."""
    shutil.rmtree(out, ignore_errors=True)
    epoch = _git(root, "log", "-1", "--format=%ct")
    with tempfile.TemporaryDirectory() as scratch:
        folders = [_build_clone(root, Path(scratch, name), epoch) for name in ("one", "another")]
        names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
        found = [
            f"two builds of {name} differ"
            for name in names[0]
            if names[0] != names[1] or len({(folder / name).read_bytes() for folder in folders}) > 1
        ]
        shutil.copytree(folders[0], out)
    check = _uv("tool", "run", "--quiet", "twine", "check", "--strict", *sorted(map(str, out.iterdir())))
    if check.returncode:
        found.append(f"twine check: {' '.join((check.stdout + check.stderr).split())}")
    return found


def _build_clone(root: Path, clone: Path, epoch: str) -> Path:
    """Clone ``root`` and build it. Returns the folder with the built files."""
    _git(root, "clone", "--quiet", str(root), str(clone))
    completed = _uv("build", "--quiet", "--out-dir", "dist", cwd=clone, SOURCE_DATE_EPOCH=epoch)
    if completed.returncode:
        sys.exit(f"uv build failed: {completed.stderr.strip()}")
    (clone / "dist" / ".gitignore").unlink(missing_ok=True)
    return clone / "dist"


def _uv(*arguments: str, cwd: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "uv", *arguments]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True)


def _git(root: Path, *arguments: str, check: bool = True) -> str:
    completed = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=check)
    return completed.stdout.strip()


def main() -> None:
    """Exit with 1 if there are problems."""
    build_only = "--build-only" in sys.argv[1:]
    found = [] if build_only else problems(ROOT)
    found = found or build(ROOT, ROOT / "dist")
    for line in found:
        print(f"release: {line}", file=sys.stderr)
    if found:
        sys.exit(1)
    for path in sorted((ROOT / "dist").iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes")
    if not build_only:
        tag = f"v{version_of(ROOT)}"
        print(f"Next: git tag -a {tag} -m {tag} && git push origin {tag}")


if __name__ == "__main__":
    main()
