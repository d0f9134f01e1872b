"""What a user installs: one import name, whole, from a wheel that an sdist was built to."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling is not installed: `make setup`")
pytest.importorskip("uv", reason="uv is not installed: `make setup`")

ROOT = Path(__file__).parents[2]
STAGES = ("grouping", "captioning", "filtering", "export")
BESIDE = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")


def _product_files(checkout: Path) -> set[str]:
    """Every file of the product by its place below triptych/, as it has to be installed."""
    places = [
        ("triptych", checkout / "triptych"),
        *((f"triptych/{name}", checkout / name) for name in STAGES),
    ]
    return {
        f"{place}/{path.relative_to(folder).as_posix()}"
        for place, folder in places
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in STAGES
    }


def _run(*command: object, cwd: Path) -> str:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = subprocess.run(list(map(str, command)), cwd=cwd, env=outside, capture_output=True, text=True)
    assert 0 == answer.returncode, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The product's files and links as they are here, without what was cached beside them."""
    copy = tmp_path_factory.mktemp("checkout")
    for folder in ("triptych", *STAGES):
        shutil.copytree(
            ROOT / folder, copy / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in BESIDE:
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the checkout."""
    out = tmp_path_factory.mktemp("sdist")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out, cwd=checkout)
    (path,) = out.glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of what the sdist holds."""
    out = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(out, filter="data")
    (unpacked,) = out.iterdir()
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=unpacked)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and this one's libraries, but not its Triptych."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    _run(
        *(sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python", python, wheel),
        cwd=folder,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries))  # their own .pth files are not read
    return folder


def test_the_sdist_holds_the_product_and_nothing_else(sdist: Path, checkout: Path) -> None:
    """No tests, no benchmarks; the stages once, as the folders that they are."""
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive]

    stages = {name.replace("triptych/", "", 1) for name in _stage_files(checkout)}
    assert len(names) == len(set(names))
    assert {*BESIDE, *stages, *(_product_files(checkout) - _stage_files(checkout))} == {
        name for name in names if name not in ("PKG-INFO", ".gitignore")
    }


def test_the_wheel_holds_one_import_name_and_every_file_once(wheel: Path, checkout: Path) -> None:
    """Prompts, presets, the report's page and the models among them."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]

    assert len(names) == len(set(names))
    assert _product_files(checkout) == set(names)


def test_outside_the_checkout_triptych_is_whole(installed: Path, tmp_path: Path) -> None:
    """Its command, its data files and its stages, all of the wheel."""
    script = """
import triptych, triptych.export, triptych.filtering
from importlib import resources
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts
for path in ("prompts/multi_zh.toml", "presets/sa1b.toml", "report/page/page.html", "py.typed",
             "models/nano_clip/open_clip_model.safetensors", "models/nano_internvl/model.safetensors"):
    assert (resources.files("triptych") / path).is_file(), path
assert len(load_prompts(SEED_JOBS)) == 4
print(triptych.__file__, triptych.export.__file__)
"""
    places = _run(installed / "bin" / "python", "-c", script, cwd=tmp_path).split()

    assert [True, True] == [place.startswith(str(installed)) for place in places]
    assert _run(installed / "bin" / "triptych", "--help", cwd=tmp_path).startswith("Usage: triptych")


@pytest.mark.parametrize("name", STAGES)
def test_no_other_import_name_is_taken(installed: Path, tmp_path: Path, name: str) -> None:
    """A generic name such as export is free for whoever wants it."""
    script = f"import importlib.util; print(importlib.util.find_spec({name!r}))"

    assert "None" == _run(installed / "bin" / "python", "-c", script, cwd=tmp_path).strip()


def _stage_files(checkout: Path) -> set[str]:
    return {name for name in _product_files(checkout) if name.split("/")[1] in STAGES}
