"""An installation without extras: what works with servers alone, and the errors for what needs more."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.small_run import make_small_run
from triptych import open_run

pytest.importorskip("hatchling", reason="hatchling is not installed: `make setup`")
pytest.importorskip("uv", reason="uv is not installed: `make setup`")

LOCAL = '`uv pip install "triptych[local]"`'
NEED_MORE = {
    "triptych.captioning.engines.token_choice": "torch",
    "triptych.captioning.engines.transformers": "torch",
    "triptych.executors.ray": "ray",
    "triptych.grouping.encoders.tower": "torch",
    "triptych.grouping.neighbours.torch_search": "torch",
}
"""Modules that can't be imported without an extra, and the library that they need."""


def call(python: Path, cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Call ``triptych`` in the environment of ``python``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python.parent / "triptych"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def test_only_modules_for_torch_and_ray_need_an_extra(core: Path, tmp_path: Path) -> None:
    """All others import only what pyproject.toml requires for the core."""
    script = """
import importlib, json, pkgutil, triptych
failed = {}
for found in pkgutil.walk_packages(triptych.__path__, "triptych."):
    if not found.name.endswith("__main__"):
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            failed[found.name] = error.name
print(json.dumps(failed))
"""
    answer = subprocess.run([core, "-c", script], cwd=tmp_path, capture_output=True, text=True)

    assert NEED_MORE == json.loads(answer.stdout), answer.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "run images --preset demo --out run",
            "captioning with --engine transformers needs torch and transformers, which aren't installed;"
            f" {LOCAL}, or name endpoints with --server URL",
        ),
        (
            "group images --out run",
            f"the image encoder needs torch, which isn't installed; {LOCAL}, or group embeddings that you"
            " have with `triptych group --embeddings PATH`",
        ),
        (
            "demo demo",
            "the demo needs torch, open_clip and transformers, which aren't installed;"
            ' `uv pip install "triptych[demo]"`',
        ),
    ],
)
def test_a_command_that_needs_an_extra_names_it_in_one_line(
    core: Path, tmp_path: Path, arguments: str, message: str
) -> None:
    """With the command that installs it."""
    (tmp_path / "images").mkdir()
    make_small_run(tmp_path / "other")
    shutil.copytree(next((tmp_path / "other").rglob("*.png")).parent, tmp_path / "images" / "some")

    answer = call(core, tmp_path, *arguments.split())

    assert (1, f"triptych: {message}") == (answer.returncode, answer.stderr.splitlines()[-1])
    assert "Traceback" not in answer.stderr


def test_doctor_reports_extras_as_missing_and_nothing_as_failed(core: Path, tmp_path: Path) -> None:
    """The core is a complete installation."""
    answer = call(core, tmp_path, "doctor")

    levels = {line.split()[1]: line.split()[0] for line in answer.stdout.splitlines()}
    assert "failed" not in levels.values()
    assert ["note"] * 3 == [levels[name] for name in ("torch", "open_clip_torch", "transformers")]


def test_stored_embeddings_are_grouped_without_extras(core: Path, tmp_path: Path) -> None:
    """With faiss."""
    vectors = np.random.default_rng(5).normal(size=(12, 16)).astype(np.float32)
    vectors[1::2] = vectors[::2] + np.float32(0.02)
    np.save(tmp_path / "embeddings.npy", vectors)

    answer = call(core, tmp_path, "group", "--embeddings", "embeddings.npy", "--out", "run")

    assert 0 == answer.returncode, answer.stderr
    assert (tmp_path / "run" / "sets.jsonl").is_file()


def test_all_later_stages_of_a_grouped_run_work_with_a_server(core: Path, tmp_path: Path) -> None:
    """Its embeddings were made elsewhere. Only grounding needs torch."""
    run, pile = tmp_path / "grouped", make_small_run(tmp_path).pile
    settings = {"embedding.model": "builtin:nano-clip", "captioning.jobs": ["single_en"]}
    with open_run(run, [pile], settings=settings) as opened:
        opened.group()
    with ScriptedEndpoint() as server:
        captioned = call(core, tmp_path, "caption", run, "--server", server.url, "--no-tile-fit")
    grounded = call(core, tmp_path, "filter", run, "--set", "filtering.grounding=true")
    filtered = call(core, tmp_path, "filter", run)
    others = [call(core, tmp_path, name, run) for name in ("export", "report", "status", "verify")]

    assert f"filtering.grounding needs torch, which isn't installed; {LOCAL}" in grounded.stderr
    assert [0] * 6 == [each.returncode for each in (captioned, filtered, *others)], [
        each.stderr for each in (captioned, filtered, *others)
    ]


def test_images_without_a_run_are_captioned_by_a_server(core: Path, tmp_path: Path) -> None:
    """With triptych.caption, without importing torch."""
    pile = make_small_run(tmp_path).pile
    script = """
import sys
from pathlib import Path
import triptych
from triptych import ServerConfig
images = sorted(Path(sys.argv[1]).rglob("*.png"))[:2]
config = triptych.CaptioningConfig(server=ServerConfig(urls=(sys.argv[2],)))
print(len(list(triptych.caption(images, config=config))), "torch" in sys.modules)
"""
    with ScriptedEndpoint() as server:
        answer = subprocess.run(
            [core, "-c", script, pile, server.url], cwd=tmp_path, capture_output=True, text=True
        )

    assert "2 False" == answer.stdout.strip(), answer.stderr
