"""The GPU benchmark, as far as a CPU can run it: its weights, plan, parts and ratios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import gpu_captioning
from benchmarks.gpu_captioning import choose_shape, ratios, run_parts
from benchmarks.gpu_parts import draw_images, triptych_stage
from benchmarks.random_internvl import SHAPES, weights_bytes, write_random_internvl
from tests.support.fake_gpus import show_gpus
from triptych.captioning.lmdeploy.gpus import visible_gpus
from triptych.captioning.models.facts import read_model
from triptych.errors import SetupError


def test_the_captions_stage_runs_a_model_with_random_weights(tmp_path: Path) -> None:
    """On drawn pictures of six tiles and a thumbnail. Every caption is exactly as long as allowed."""
    model = write_random_internvl(SHAPES["tiny"], tmp_path / "model")
    images = draw_images(tmp_path / "images", 2)

    measured = triptych_stage(model, images, engine="transformers", captions=2, max_tokens=5)

    assert 2 == measured["captions"]
    assert 10 == round(float(str(measured["tokens_per_s"])) * float(str(measured["seconds"])))
    facts = read_model(str(model))
    assert facts is not None
    assert (448, 256, ()) == (facts.tile_px, facts.tokens_per_tile, facts.missing_files)
    assert weights_bytes(SHAPES["tiny"]) == pytest.approx(facts.weights_bytes, rel=0.05)


def test_random_weights_have_the_names_of_a_release(tmp_path: Path) -> None:
    """The names are those of the embedded model, which lmdeploy loads, and a separate output layer."""
    model = write_random_internvl(SHAPES["tiny"], tmp_path / "model")
    names = json.loads((model / "model.safetensors.index.json").read_text())["weight_map"]

    prefixes = {".".join(name.split(".")[:2]) for name in names}

    assert {
        "language_model.lm_head",
        "language_model.model",
        "multi_modal_projector.layer_norm",
        "multi_modal_projector.linear_1",
        "multi_modal_projector.linear_2",
        "vision_tower.embeddings",
        "vision_tower.encoder",
    } == prefixes


def test_the_largest_shape_that_fits_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits into 80 GB here. Without a GPU, it is the smallest shape."""
    show_gpus(monkeypatch, tmp_path, 1)

    assert "26b" == choose_shape("auto", visible_gpus())
    assert "2b" == choose_shape("auto", [])
    assert "8b" == choose_shape("8b", [])


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan has the weights and every part."""
    show_gpus(monkeypatch, tmp_path, 1)
    folder = tmp_path / "work"

    result = CliRunner().invoke(gpu_captioning.main, [str(folder), "--shape", "8b", "--dry-run"])

    assert 0 == result.exit_code
    assert "weights like InternVL2-8B: 16.2 GB" in result.output
    assert 7 == result.output.count("part: ")
    assert not folder.exists()


def test_without_a_gpu_it_ends_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one line, before anything is written."""
    monkeypatch.setenv("PATH", str(tmp_path))

    result = CliRunner().invoke(gpu_captioning.main, [str(tmp_path / "work"), "--shape", "8b"])

    assert 1 == result.exit_code
    assert "gpu_captioning: no GPU on this machine" in result.output
    assert not (tmp_path / "work").exists()


def test_a_part_that_fails_is_recorded_and_the_others_still_run() -> None:
    """The record has the reason. Ratios are computed from the parts that succeeded."""

    def fails() -> dict[str, object]:
        raise SetupError("no such kernel")

    measured = run_parts(
        {
            "triptych, lmdeploy pytorch": lambda: {"captions_per_s": 12.0},
            "bare pipeline, lmdeploy pytorch": lambda: {"captions_per_s": 10.0},
            "triptych, lmdeploy turbomind": fails,
            "triptych, transformers": lambda: {"captions_per_s": 1.5},
        }
    )

    assert {"failed": "no such kernel"} == measured["triptych, lmdeploy turbomind"]
    assert {
        "triptych, lmdeploy pytorch / bare pipeline, lmdeploy pytorch": 1.2,
        "triptych, lmdeploy pytorch / triptych, transformers": 8.0,
    } == ratios(measured)
