"""Fixtures: the sdist, the wheel, and an environment with the core alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
STAGES = ("grouping", "captioning", "filtering", "export")
ROOT_FILES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


def run_outside(*command: object, cwd: Path) -> str:
    """Run a command without this environment's PYTHON variables. Returns its stdout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert 0 == answer.returncode, answer.stderr
    return answer.stdout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product's files and links, without caches."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("triptych", *STAGES):
        shutil.copytree(
            ROOT / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ROOT_FILES:
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="session")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, built from the checkout."""
    out = tmp_path_factory.mktemp("sdist")
    run_outside(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=checkout)
    (path,) = out.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the unpacked sdist."""
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(out, filter="data")
    (unpacked,) = out.iterdir()
    run_outside(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=unpacked)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with only the wheel and its dependencies. Each library is a link to this
    environment's, so that nothing is downloaded."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    for name in _installed_with(_core_requirements()):
        for path in _top_level(metadata.distribution(name)):
            if not (site / path.name).exists():
                (site / path.name).symlink_to(path)
    run_outside(
        *(sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python", python, wheel),
        cwd=folder,
    )
    return python


def _core_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"]]


def _installed_with(requirements: list[Requirement]) -> set[str]:
    """The names of all distributions that are installed for ``requirements``."""
    found: set[str] = set()
    todo = list(requirements)
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        if name not in found:
            found.add(name)
            needs = [Requirement(line) for line in metadata.requires(name) or ()]
            todo += [each for each in needs if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def _top_level(distribution: metadata.Distribution) -> set[Path]:
    """A distribution's files and folders in site-packages, without programs beside it."""
    tops = {Path(file).parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
    return {Path(str(distribution.locate_file(top))) for top in tops}
