"""The sdist and the wheel: both contain the whole product, and the wheel has one import name."""

from __future__ import annotations

import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="hatchling is not installed: `make setup`")
pytest.importorskip("uv", reason="uv is not installed: `make setup`")

from tests.packaging.conftest import ROOT_FILES, STAGES, run_outside


def _product_files(checkout: Path) -> set[str]:
    """All files of the product, by their path when installed."""
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and this environment's libraries, but not its Triptych."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run_outside(
        *(sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python", python, wheel),
        cwd=folder,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (site / "libraries.pth").write_text("\n".join(libraries))  # their own .pth files are not read
    return folder


def test_the_sdist_contains_the_product_and_nothing_else(sdist: Path, checkout: Path) -> None:
    """No tests and no benchmarks. The stages are included once, in their own folders."""
    with tarfile.open(sdist) as archive:
        names = [member.name.partition("/")[2] for member in archive]

    stages = {name.replace("triptych/", "", 1) for name in _stage_files(checkout)}
    assert len(names) == len(set(names))
    assert {*ROOT_FILES, *stages, *(_product_files(checkout) - _stage_files(checkout))} == {
        name for name in names if name not in ("PKG-INFO", ".gitignore")
    }


def test_the_wheel_has_one_import_name_and_every_file_once(wheel: Path, checkout: Path) -> None:
    """Including prompts, presets, the report's page and the models."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]

    assert len(names) == len(set(names))
    assert _product_files(checkout) == set(names)


def test_the_installed_triptych_is_complete(installed: Path, tmp_path: Path) -> None:
    """Its command, data files and stages all come from the wheel."""
    script = """
import triptych, triptych.export, triptych.filtering
from importlib import resources
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts
for path in ("prompts/multi_zh.toml", "presets/sa1b.toml", "report/page/page.html", "py.typed",
             "models/nano_clip/open_clip_model.safetensors", "models/nano_internvl/model.safetensors",
             "models/nano_checker/model.safetensors"):
    assert (resources.files("triptych") / path).is_file(), path
assert len(load_prompts(SEED_JOBS)) == 4
print(triptych.__file__, triptych.export.__file__)
"""
    places = run_outside(installed / "bin" / "python", "-c", script, cwd=tmp_path).split()

    assert [True, True] == [place.startswith(str(installed)) for place in places]
    assert run_outside(installed / "bin" / "triptych", "--help", cwd=tmp_path).startswith("Usage: triptych")


@pytest.mark.parametrize("name", STAGES)
def test_no_other_import_name_is_taken(installed: Path, tmp_path: Path, name: str) -> None:
    """Generic names such as export stay free for other packages."""
    script = f"import importlib.util; print(importlib.util.find_spec({name!r}))"

    assert "None" == run_outside(installed / "bin" / "python", "-c", script, cwd=tmp_path).strip()


def _stage_files(checkout: Path) -> set[str]:
    return {name for name in _product_files(checkout) if name.split("/")[1] in STAGES}
