"""Finds a model in a folder of this machine, in the hub's cache, or on the hub, within seconds.

Comes in: a folder or a hub id. Goes out: what transformers can load, or a SetupError. Not its job: loading.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from triptych.errors import SetupError

HUB_TIMEOUT_S = 5.0
"""Longer than a healthy hub takes to answer, and short enough for a user who mistyped a name."""

MAX_SHOWN = 300
"""Characters of the hub's error message."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def locate(model: str) -> tuple[str, bool]:
    """What to load, and whether it is on this machine.

    Raises SetupError if ``model`` is neither a model folder, nor in the hub's cache, nor on a hub that can be
    reached.
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
    """The folder of a hub id in the hub's cache, which may be incomplete. None if it isn't cached."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, local_files_only=True))
    except Exception:  # not cached, or not a hub id: the exception depends on the version
        return None


def weight_files(folder: Path) -> list[str]:
    """The names of the weight files that a folder should have. A damaged index is named in place of them."""
    index = folder / "model.safetensors.index.json"
    try:
        return sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except OSError:
        return sorted(path.name for path in folder.glob("*.safetensors")) or ["*.safetensors"]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return [f"{index.name} (damaged)"]


def missing_weights(folder: Path) -> list[str]:
    """Those of ``weight_files`` that don't exist."""
    return [name for name in weight_files(folder) if not (folder / name).is_file()]


def _ask_hub(model: str) -> None:
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    where = f"no folder {model} here and none in the hub's cache"
    try:
        HfApi().model_info(model, timeout=HUB_TIMEOUT_S)
    except HfHubHTTPError as error:
        message = " ".join(str(error).split())[:MAX_SHOWN]
        raise SetupError(
            f"{where}, and {constants.ENDPOINT} doesn't give it ({message}); check the name, or log in with"
            " `hf auth login`"
        ) from None
    except Exception as error:  # no network, or it isn't allowed
        raise SetupError(
            f"{where}, and {constants.ENDPOINT} can't be reached ({type(error).__name__}: {error});"
            " connect this machine or name a folder with --model"
        ) from None
