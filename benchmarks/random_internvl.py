"""Models of InternVL's real sizes with random weights, that transformers and lmdeploy load alike.

Comes in: a shape and a folder that isn't there. Goes out: a Hugging Face folder with safetensors in bfloat16
(InternVLForConditionalGeneration), written shard by shard. For measuring speed: what such a model says is
nonsense, but costs what a trained one of its shape costs. Every caption is exactly as long as max_tokens
allows: of the output layer only the rows of the tokenizer's plain words aren't zero, so that greedy search
never ends.
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
"""Written last: where it is, the folder is whole."""

SHARD_BYTES = 2 * 1024**3
CONTEXT_TOKENS = 8192
"""InternVL2's."""

SEED = 20261121
STD = 0.02
"""The initializer_range of these models."""

FIRST_WORD, LAST_WORD = 300, 1200
"""Ids of the embedded tokenizer that are plain words: neither special tokens nor bytes."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Layers and widths, as the release of that name has them."""

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
    """How large its weights are."""
    numbers: int = sum(tensor.numel() for tensor in _skeleton(shape).state_dict().values())
    return 2 * numbers


def write_random_internvl(shape: Shape, folder: Path) -> Path:
    """Write the folder and return it. One that is whole already is left as it is."""
    if (folder / INDEX).is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    write_hf_format(folder)
    skeleton = _skeleton(shape)
    config = json.loads(skeleton.config.to_json_string())
    config["architectures"] = ["InternVLForConditionalGeneration"]
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer["model_max_length"] = CONTEXT_TOKENS
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer, indent=2))
    _write_weights(skeleton, folder)
    return folder


def _skeleton(shape: Shape) -> Any:
    """The model without memory for its weights."""
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


def _write_weights(skeleton: Any, folder: Path) -> None:
    torch.manual_seed(SEED)
    shards: list[dict[str, torch.Tensor]] = [{}]
    where: dict[str, int] = {}
    filled = total = 0
    for name, shell in skeleton.state_dict().items():
        tensor = _random(name, shell)
        size_bytes = tensor.numel() * 2
        if filled and filled + size_bytes > SHARD_BYTES:
            _save(shards[-1], folder, len(shards))
            shards[-1] = {}
            shards.append({})
            filled = 0
        shards[-1][_checkpoint_name(name)] = tensor
        where[_checkpoint_name(name)] = len(shards)
        filled += size_bytes
        total += size_bytes
    _save(shards[-1], folder, len(shards))
    index = {"metadata": {"total_size": total}, "weight_map": {n: _file(k) for n, k in where.items()}}
    (folder / INDEX).write_text(json.dumps(index))


def _random(name: str, shell: torch.Tensor) -> torch.Tensor:
    """Normalisations are 1, biases 0, everything else normal."""
    if shell.dim() < 2:
        value = 0.1 if "lambda" in name else 0.0 if name.endswith("bias") else 1.0
        return torch.full(shell.shape, value, dtype=torch.bfloat16)
    tensor = torch.empty(shell.shape, dtype=torch.bfloat16).normal_(std=STD)
    if name == "lm_head.weight":
        tensor[:FIRST_WORD] = 0
        tensor[LAST_WORD:] = 0
        tensor[FIRST_WORD:LAST_WORD] *= 1 / (STD * math.sqrt(shell.shape[1]))  # logits of about 1
    return tensor


def _save(tensors: dict[str, torch.Tensor], folder: Path, number: int) -> None:
    save_file(tensors, folder / _file(number), metadata={"format": "pt"})


def _file(number: int) -> str:
    return f"model-{number:05}.safetensors"


def _checkpoint_name(name: str) -> str:
    """A tensor's name in a release, which differs from the one in memory."""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    if name.startswith("model.language_model."):
        return "language_model.model." + name.removeprefix("model.language_model.")
    return name.removeprefix("model.")
