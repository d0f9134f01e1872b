"""Reads a model's architecture, weights, tiles and context from its folder, without loading it.

Comes in: a folder, or a hub id that is in the hub's cache. Goes out: ModelFacts. Knows the two formats of
InternVL, the original releases (InternVLChatModel) and Hugging Face's (names that end in -hf); of other
models only what all configs have in common. Not its job: loading, judging (see doctor).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from triptych.captioning.models.location import cached_folder, locate, missing_weights, weight_files
from triptych.errors import SetupError

CHAT_FORMAT = "InternVLChatModel"
HF_FORMAT = "InternVLForConditionalGeneration"

CONTEXT_KEYS = ("max_position_embeddings", "max_seq_len", "n_positions")


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``None``: the folder doesn't tell."""

    folder: Path
    architecture: str
    needs_own_code: bool
    """Whether it has Python files of its own, which aren't run without trust_remote_code."""
    weights_bytes: int
    missing_files: tuple[str, ...]
    """Missing weights, tokenizer and config files."""
    tile_px: int | None = None
    tokens_per_tile: int | None = None
    context_tokens: int | None = None
    cache_bytes_per_token: int | None = None
    """Keys and values in 16 bits, on all GPUs together."""


def read_model(model: str) -> ModelFacts | None:
    """The facts about ``model``; None if it is a hub id that isn't on this machine yet.

    Raises SetupError if it is neither a folder with a config nor known to the hub.
    """
    folder = _on_this_machine(model)
    if folder is None:
        return None
    try:
        config = json.loads((folder / "config.json").read_bytes())
        assert isinstance(config, dict)
    except (OSError, ValueError, AssertionError) as error:
        raise SetupError(f"{folder / 'config.json'} can't be read ({error}); get the model again") from None
    weights = [folder / name for name in weight_files(folder)]
    vision = config.get("vision_config") or {}
    language = config.get("llm_config") or config.get("text_config") or config
    tile_px = _first_number(config.get("force_image_size") or vision.get("image_size"))
    architecture = (config.get("architectures") or ["unknown"])[0]
    return ModelFacts(
        folder=folder,
        architecture=architecture,
        needs_own_code="auto_map" in config or architecture == CHAT_FORMAT,
        weights_bytes=sum(path.stat().st_size for path in weights if path.is_file()),
        missing_files=(*missing_weights(folder), *_missing_tokenizer_files(folder)),
        tile_px=tile_px,
        tokens_per_tile=_tokens_per_tile(config, vision, tile_px),
        context_tokens=next((int(language[key]) for key in CONTEXT_KEYS if key in language), None),
        cache_bytes_per_token=_cache_bytes(language),
    )


def _on_this_machine(model: str) -> Path | None:
    folder = None if Path(model).expanduser().is_dir() else cached_folder(model)
    if folder is not None:
        return folder
    source, is_here = locate(model)
    return Path(source) if is_here else None


def _missing_tokenizer_files(folder: Path) -> list[str]:
    tokenizers = ("tokenizer.json", "tokenizer.model")
    missing = [] if any((folder / name).is_file() for name in tokenizers) else [" or ".join(tokenizers)]
    if not (folder / "tokenizer_config.json").is_file():
        missing.append("tokenizer_config.json")
    return missing


def _tokens_per_tile(config: dict[str, Any], vision: dict[str, Any], tile_px: int | None) -> int | None:
    if "image_seq_length" in config:
        return int(config["image_seq_length"])
    patch_px, ratio = _first_number(vision.get("patch_size")), config.get("downsample_ratio")
    if tile_px is None or patch_px is None or ratio is None:
        return None
    return round((tile_px // patch_px) ** 2 * float(ratio) ** 2)


def _cache_bytes(language: dict[str, Any]) -> int | None:
    try:
        heads = int(language["num_attention_heads"])
        head_dim = int(language.get("head_dim") or language["hidden_size"] // heads)
        cache_heads = int(language["num_hidden_layers"]) * int(language.get("num_key_value_heads", heads))
        return 2 * 2 * cache_heads * head_dim  # keys and values, two bytes each
    except (KeyError, TypeError):
        return None


def _first_number(value: object) -> int | None:
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, int) else None
