"""Where a model is: a folder of this machine, the hub's cache, or the hub. Says so in seconds.

Comes in: what a user named. Goes out: what transformers can load, or a SetupError of one line. Not
its job: loading.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from triptych.errors import SetupError

HUB_TIMEOUT_S = 5.0
"""Longer than a healthy hub takes to answer; shorter than a person waits for a typing error."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def locate(model: str) -> tuple[str, bool]:
    """What to load, and whether to load it without asking the hub.

    Raises SetupError where ``model`` is neither a model folder, nor in the hub's cache, nor on a hub
    that can be reached.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise SetupError(
                f"{folder} is not a model folder: no config.json in it;"
                " name a Hugging Face folder or a hub id with --model"
            )
        return str(folder), True
    if not _HUB_ID.fullmatch(model) or model.startswith("."):
        raise SetupError(
            f"no model folder at {model}; name an existing Hugging Face folder, or a hub id such as"
            " OpenGVLab/InternVL3-8B-hf, with --model"
        )
    if _is_cached(model):
        return model, True
    _ask_hub(model)
    return model, False


class _WeightIndex(msgspec.Struct):
    weight_map: dict[str, str]


def _is_cached(model: str) -> bool:
    """Whether the hub's cache holds a whole snapshot."""
    from huggingface_hub import snapshot_download

    try:
        snapshot = Path(snapshot_download(model, local_files_only=True))
    except Exception:  # not cached: which exception says so differs between versions
        return False
    index = snapshot / "model.safetensors.index.json"
    weights = {"model.safetensors"}
    if index.is_file():
        try:
            weights = set(msgspec.json.decode(index.read_bytes(), type=_WeightIndex).weight_map.values())
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False  # damaged: not whole
    return all((snapshot / name).is_file() for name in {"config.json", *weights})


def _ask_hub(model: str) -> None:
    import httpx
    from huggingface_hub import constants
    from huggingface_hub.utils._headers import build_hf_headers

    where = f"no folder {model} here and none in the hub's cache"
    if constants.is_offline_mode():
        raise SetupError(f"{where}, and HF_HUB_OFFLINE forbids to ask the hub; unset it or name a folder")
    url = f"{constants.ENDPOINT}/api/models/{model}"
    try:
        answer = httpx.get(url, timeout=HUB_TIMEOUT_S, headers=build_hf_headers(), follow_redirects=True)
    except (httpx.HTTPError, OSError) as error:
        raise SetupError(
            f"{where}, and {constants.ENDPOINT} can't be reached ({type(error).__name__}: {error});"
            " connect this machine or name a folder with --model"
        ) from None
    if answer.status_code in (401, 403, 404):
        raise SetupError(
            f"{where}, and {constants.ENDPOINT} has no model {model} that you may read"
            f" (HTTP {answer.status_code}); check the name, or log in with `hf auth login`"
        )
    if not answer.is_success:
        raise SetupError(f"{where}, and {url} answered HTTP {answer.status_code}; try later or name a folder")
