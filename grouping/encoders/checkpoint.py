"""Which model an embedding config names, and an identity of it that goes with the embeddings.

Comes in: the model and pretrained strings of a config. Goes out: a Checkpoint, checked as far as a
file system goes. Not its job: open_clip (see encoder), so that a finished run is recognised without
loading any model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.runs.jsonl import sha256_of

LOCAL_PREFIX = "local-dir:"
HUB_PREFIX = "hf-hub:"
CONFIG_NAME = "open_clip_config.json"
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")
"""What open_clip takes for weights in a local folder."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A model that open_clip can be asked for. ``identity`` is the same wherever a folder is moved."""

    model: str
    """As open_clip takes it: a name, ``hf-hub:...`` or ``local-dir:...``."""
    pretrained: str | None
    folder: Path | None
    identity: str


def resolve_checkpoint(model: str, pretrained: str | None) -> Checkpoint:
    """The checkpoint that ``model`` and ``pretrained`` name.

    A string is a folder if it starts with ``local-dir:``, ``.``, ``/`` or ``~``, or if a folder of
    that name is there. Raises SetupError where the folder isn't there or isn't open_clip's.
    """
    if model.startswith(HUB_PREFIX):
        return Checkpoint(model=model, pretrained=None, folder=None, identity=model)
    if _is_path(model):
        folder = Path(model.removeprefix(LOCAL_PREFIX)).expanduser()
        identity = _identity_of_folder(folder)
        return Checkpoint(model=f"{LOCAL_PREFIX}{folder}", pretrained=None, folder=folder, identity=identity)
    name = model.replace("/", "-")
    weights = pretrained
    if pretrained is not None and Path(pretrained).is_file():
        weights = f"sha256:{sha256_of(Path(pretrained))}"
    return Checkpoint(model=name, pretrained=pretrained, folder=None, identity=f"{name} {weights}")


def _is_path(model: str) -> bool:
    return model.startswith((LOCAL_PREFIX, ".", "/", "~")) or Path(model).is_dir()


def _identity_of_folder(folder: Path) -> str:
    """A hash over the config and weights of an open_clip folder. Raises SetupError if it isn't one."""
    if not folder.is_dir():
        raise SetupError(
            f"embedding model folder {folder} is not there;"
            f" expected a folder with {CONFIG_NAME} and weights: check embedding.model"
        )
    config = folder / CONFIG_NAME
    if not config.is_file():
        raise SetupError(
            f"embedding model folder {folder} has no {CONFIG_NAME}, so it is not an open_clip model;"
            " save one there with open_clip, or name another with embedding.model"
        )
    weights = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES)
    if not weights:
        raise SetupError(
            f"embedding model folder {folder} has no weights;"
            " expected open_clip_model.safetensors beside its config: copy it there"
        )
    digest = hashlib.sha256()
    for path in [config, *weights]:
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"
