"""Where a model is: a folder of this machine, the hub's cache, or the hub. Says so in seconds.

Comes in: what a user named. Goes out: what transformers can load, or a SetupError of one line. Not
its job: loading.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from triptych.errors import SetupError

HUB_TIMEOUT_S = 5.0
"""Longer than a healthy hub takes to answer; shorter than a person waits for a typing error."""

MAX_SHOWN = 300
"""Letters of what the hub says."""

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
    snapshot = cached_folder(model)
    if snapshot is not None and not missing_weights(snapshot) and (snapshot / "config.json").is_file():
        return model, True
    _ask_hub(model)
    return model, False


def cached_folder(model: str) -> Path | None:
    """Where the hub's cache has what it has of a hub id."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except Exception:  # not cached, or no hub id at all: which exception says so differs between versions
        return None


def weight_files(folder: Path) -> list[str]:
    """The names of the weight files that there should be; of a damaged index its own."""
    index = folder / "model.safetensors.index.json"
    try:
        return sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except OSError:
        return sorted(path.name for path in folder.glob("*.safetensors")) or ["*.safetensors"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return [f"{index.name} (damaged)"]


def missing_weights(folder: Path) -> list[str]:
    """Of those the ones that aren't there."""
    return [name for name in weight_files(folder) if not (folder / name).is_file()]


def _ask_hub(model: str) -> None:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    where = f"no folder {model} here and none in the hub's cache"
    try:
        HfApi().model_info(model, timeout=HUB_TIMEOUT_S)
    except HfHubHTTPError as error:
        said = " ".join(str(error).split())[:MAX_SHOWN]
        raise SetupError(
            f"{where}, and {constants.ENDPOINT} doesn't give it ({said}); check the name, or log in with"
            " `hf auth login`"
        ) from None
    except Exception as error:  # no network, or none that is allowed
        raise SetupError(
            f"{where}, and {constants.ENDPOINT} can't be reached ({type(error).__name__}: {error});"
            " connect this machine or name a folder with --model"
        ) from None
