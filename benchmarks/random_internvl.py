"""Models in InternVL's real sizes with random weights, which both transformers and lmdeploy can load.

Comes in: a shape and a folder to create. Goes out: a Hugging Face folder with safetensors in bfloat16
(InternVLForConditionalGeneration), written shard by shard. They serve to measure speed: the captions are
nonsense, but take as long as those of a trained model of the same shape. Every caption has exactly
max_tokens: only the output rows of plain words are nonzero, so greedy search never produces an end token.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import save_file
from transformers import InternVLConfig, InternVLForConditionalGeneration

from benchmarks.internvl_folders import TOKENS_PER_TILE, write_hf_format

INDEX = "model.safetensors.index.json"
"""Written last: if it exists, the folder is complete."""

SHARD_BYTES = 2 * 1024**3
CONTEXT_TOKENS = 8192
"""InternVL2's."""

SEED = 20261121
STD = 0.02
"""The initializer_range of these models."""

FIRST_WORD, LAST_WORD = 300, 1200
"""Ids of the embedded tokenizer that are plain words: neither special tokens nor bytes."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Layers and widths of the release named ``like``."""

    like: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int
    vision_hidden: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_intermediate: int = 4096


SHAPES = {
    "26b": Shape(
        like="InternVL2-26B", hidden=6144, layers=48, heads=48, kv_heads=8, intermediate=16384,
        vocabulary=92553, vision_hidden=3200, vision_layers=45, vision_heads=25, vision_intermediate=12800,
    ),
    "8b": Shape(
        like="InternVL2-8B", hidden=4096, layers=32, heads=32, kv_heads=8, intermediate=14336,
        vocabulary=92553,
    ),
    "2b": Shape(
        like="InternVL2-2B", hidden=2048, layers=24, heads=16, kv_heads=8, intermediate=8192,
        vocabulary=92553,
    ),
    "tiny": Shape(
        like="no release: for tests", hidden=64, layers=2, heads=2, kv_heads=1, intermediate=128,
        vocabulary=1250, vision_hidden=64, vision_layers=1, vision_heads=1, vision_intermediate=128,
    ),
}  # fmt: skip


def weights_bytes(shape: Shape) -> int:
    """The size of the weights in bfloat16."""
    numbers: int = sum(tensor.numel() for tensor in _meta_model(shape).state_dict().values())
    return 2 * numbers


def write_random_internvl(shape: Shape, folder: Path) -> Path:
    """Write the folder and return it. A complete one is not written again."""
    if (folder / INDEX).is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_hf_format(folder)
    model = _meta_model(shape)
    config = json.loads(model.config.to_json_string())
    config["architectures"] = ["InternVLForConditionalGeneration"]
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["model_max_length"] = CONTEXT_TOKENS
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2))
    _write_weights(model, folder)
    return folder


def _meta_model(shape: Shape) -> Any:
    """The model on the meta device, without memory for its weights."""
    config = InternVLConfig(
        vision_config={
            "hidden_size": shape.vision_hidden,
            "num_hidden_layers": shape.vision_layers,
            "num_attention_heads": shape.vision_heads,
            "intermediate_size": shape.vision_intermediate,
            "image_size": [448, 448],
            "patch_size": [14, 14],
            "layer_scale_init_value": 0.1,
        },
        text_config={
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads,
            "intermediate_size": shape.intermediate,
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": CONTEXT_TOKENS,
            "tie_word_embeddings": False,
            "bos_token_id": None,
            "eos_token_id": 2,
            "pad_token_id": 0,
        },
        image_token_id=5,
        image_seq_length=TOKENS_PER_TILE,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    with torch.device("meta"):
        return InternVLForConditionalGeneration(config)


def _write_weights(model: Any, folder: Path) -> None:
    torch.manual_seed(SEED)
    shards: list[dict[str, torch.Tensor]] = [{}]
    shard_numbers: dict[str, int] = {}
    filled = total = 0
    for name, empty in model.state_dict().items():
        tensor = _random(name, empty)
        size_bytes = tensor.numel() * 2
        if filled and filled + size_bytes > SHARD_BYTES:
            _save(shards[-1], folder, len(shards))
            shards[-1] = {}
            shards.append({})
            filled = 0
        shards[-1][_checkpoint_name(name)] = tensor
        shard_numbers[_checkpoint_name(name)] = len(shards)
        filled += size_bytes
        total += size_bytes
    _save(shards[-1], folder, len(shards))
    files = {name: _file(number) for name, number in shard_numbers.items()}
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / INDEX).write_text(json.dumps(index))


def _random(name: str, like: torch.Tensor) -> torch.Tensor:
    """1 for normalisation weights, 0 for biases, normally distributed for everything else."""
    if like.dim() < 2:
        value = 0.1 if "lambda" in name else 0.0 if name.endswith("bias") else 1.0
        return torch.full(like.shape, value, dtype=torch.bfloat16)
    tensor = torch.empty(like.shape, dtype=torch.bfloat16).normal_(std=STD)
    if name == "lm_head.weight":
        tensor[:FIRST_WORD] = 0
        tensor[LAST_WORD:] = 0
        tensor[FIRST_WORD:LAST_WORD] *= 1 / (STD * math.sqrt(like.shape[1]))  # logits of about 1
    return tensor


def _save(tensors: dict[str, torch.Tensor], folder: Path, number: int) -> None:
    save_file(tensors, folder / _file(number), metadata={"format": "pt"})


def _file(number: int) -> str:
    return f"model-{number:05}.safetensors"


def _checkpoint_name(name: str) -> str:
    """The name of a tensor in releases, which differs from the one in memory."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    if name.startswith("model.language_model."):
        return "language_model.model." + name.removeprefix("model.language_model.")
    return name.removeprefix("model.")
