"""`triptych doctor` finds incomplete models, too few or too small GPUs, and too short contexts before work
starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.fake_gpus import show_gpus
from tests.triptych.conftest import Command
from triptych.captioning.models.facts import read_model
from triptych.captioning.models.token_budget import count_tokens
from triptych.models import resolve_model

NANO = Path(resolve_model("builtin:nano-internvl"))


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """A copy of the embedded captioner's folder."""
    return Path(shutil.copytree(NANO, tmp_path / "nano"))


def change_config(model: Path, **settings: object) -> Path:
    """Replace settings in the config of a model folder."""
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | settings))
    return model


def found(triptych: Command, *arguments: object) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code; and the level and text of each finding, by name."""
    outcome = triptych("doctor", "--json", *arguments)
    findings = json.loads(outcome.stdout)
    return outcome.exit_code, {f["name"]: (f["level"], f"{f['found']} -> {f['advice']}") for f in findings}


def test_a_complete_model_passes(triptych: Command, nano: Path) -> None:
    """The findings name its facts."""
    code, findings = found(triptych, "--model", nano, "--preset", "demo")

    assert 0 == code
    assert ("ok", "ok", "ok") == tuple(findings[name][0] for name in ("model", "tiles", "context"))
    assert "InternVLForConditionalGeneration, 0.01 GB of weights" in findings["model"][1]
    assert "112 px a tile, 16 tokens each" in findings["tiles"][1]


def test_missing_weights_fail(triptych: Command, nano: Path) -> None:
    """The finding names the missing file of the index."""
    (nano / "model.safetensors").rename(nano / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (nano / "model.safetensors.index.json").write_text(json.dumps(index))

    code, findings = found(triptych, "--model", nano, "--preset", "demo")

    assert 1 == code
    assert "failed" == findings["model"][0]
    assert findings["model"][1].endswith("without model-00002-of-00002.safetensors -> get the model again")


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "model.safetensors"])
def test_a_missing_model_file_fails(triptych: Command, nano: Path, name: str) -> None:
    """For each file that is needed to load a model."""
    (nano / name).unlink()

    code, findings = found(triptych, "--model", nano, "--preset", "demo")

    assert 1 == code
    assert "failed" == findings["model"][0]
    assert name.replace("model.safetensors", "*.safetensors") in findings["model"][1]


def test_a_wrong_tile_size_fails(triptych: Command, nano: Path) -> None:
    """The finding names the setting to change."""
    code, findings = found(triptych, "--model", nano, "--set", "captioning.max_tokens_multi=100")

    assert 1 == code
    assert (
        "failed",
        "112 px a tile, 16 tokens each -> captioning.tile_px is 448: set it to 112",
    ) == findings["tiles"]


def test_a_request_longer_than_the_context_fails(triptych: Command, nano: Path) -> None:
    """The finding shows the tokens of each part."""
    settings = ["--set", "captioning.max_tiles=12", "--set", "captioning.max_tokens_multi=800"]

    code, findings = found(triptych, "--model", nano, "--preset", "demo", *settings)

    assert 1 == code
    level, words = findings["context"]
    assert "failed" == level
    assert "(16 tiles of 4 images 272, words" in words
    assert "of the 1,024 of the model's context -> set captioning.max_tiles or max_tokens lower" in words


def test_another_architecture_requires_no_tile_fit(triptych: Command, nano: Path) -> None:
    """It can write captions, but not with InternVL's tile fit."""
    change_config(nano, architectures=["Qwen2_5_VLForConditionalGeneration"])

    code, findings = found(triptych, "--model", nano, "--preset", "demo")

    assert 0 == code
    assert "note" == findings["architecture"][0]
    assert "add --no-tile-fit" in findings["architecture"][1]


def test_internvls_original_format_needs_lmdeploy_and_trust(
    triptych: Command, nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With trust_remote_code, lmdeploy runs it; this process never does."""
    change_config(nano, architectures=["InternVLChatModel"], auto_map={"AutoModel": "modeling.Model"})
    show_gpus(monkeypatch, tmp_path, 1)
    trust = ["--set", "captioning.lmdeploy.trust_remote_code=true"]
    lmdeploy = ["--preset", "demo", "--model", nano, "--engine", "lmdeploy"]

    _, in_process = found(triptych, "--model", nano, "--preset", "demo")
    _, served = found(triptych, *lmdeploy)
    _, trusted = found(triptych, *lmdeploy, *trust)

    assert "use its Hugging Face format" in in_process["architecture"][1]
    assert "trust_remote_code=true if you trust it" in served["architecture"][1]
    assert ("failed", "failed", "ok") == tuple(
        findings["architecture"][0] for findings in (in_process, served, trusted)
    )


def test_weights_are_compared_with_the_memory_of_a_gpu_group(
    triptych: Command, nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """152 GB don't fit into one GPU of 80 GB, but into two."""
    show_gpus(monkeypatch, tmp_path, 8)
    with (nano / "model.safetensors").open("r+b") as file:
        file.truncate(152_000_000_000)  # sparse: no disk is used

    levels = {
        tp: found(triptych, "--model", nano, "--preset", "demo", "--engine", "lmdeploy", "--tp", tp)[1][
            "gpu memory"
        ]
        for tp in (1, 2, 4)
    }

    assert {1: "failed", 2: "ok", 4: "ok"} == {tp: level for tp, (level, _) in levels.items()}
    assert "8 x 1 GPU, 79.2 GiB free in a group; 141.6 GiB of weights, 3 GiB of margin a GPU" in levels[1][1]
    assert "65.4 GiB too little: a higher --tp" in levels[1][1]
    assert "2 x 4 GPU" in levels[4][1]


def test_too_few_gpus_for_tp_fail(
    triptych: Command, nano: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the start of a run."""
    show_gpus(monkeypatch, tmp_path, 1)

    code, findings = found(triptych, "--model", nano, "--engine", "lmdeploy", "--tp", "4")

    assert 1 == code
    assert "--tp 4 needs 4 GPUs and this machine shows 1" in findings["gpu memory"][1]


def test_an_unreachable_endpoint_fails(triptych: Command) -> None:
    """The finding names its URL."""
    code, findings = found(triptych, "--server", "http://127.0.0.1:9")

    assert 1 == code
    assert "failed" == findings["endpoint"][0]
    assert "http://127.0.0.1:9/v1 can't be reached" in findings["endpoint"][1]


def test_without_a_tokenizer_the_number_of_bytes_is_the_estimate_of_tokens(nano: Path) -> None:
    """It is never too low."""
    words = "描述 the image"
    exact = count_tokens(nano, words)
    (nano / "tokenizer.json").unlink()

    assert exact <= len(words.encode()) == count_tokens(nano, words)


def test_facts_of_internvls_original_format_are_read(tmp_path: Path) -> None:
    """From a config like InternVL2's: 256 tokens for a tile of 448 pixels."""
    model = tmp_path / "InternVL2-8B"
    model.mkdir()
    config = {
        "architectures": ["InternVLChatModel"],
        "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"},
        "force_image_size": 448,
        "downsample_ratio": 0.5,
        "vision_config": {"image_size": 448, "patch_size": 14},
        "llm_config": {
            "max_position_embeddings": 32768,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "hidden_size": 4096,
            "num_hidden_layers": 32,
        },
    }
    (model / "config.json").write_text(json.dumps(config))

    facts = read_model(str(model))

    assert facts is not None
    assert (448, 256, 32768, 131072) == (
        facts.tile_px,
        facts.tokens_per_tile,
        facts.context_tokens,
        facts.cache_bytes_per_token,
    )
    assert (
        "*.safetensors",
        "tokenizer.json or tokenizer.model",
        "tokenizer_config.json",
    ) == facts.missing_files
