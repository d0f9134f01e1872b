"""Locates the files of a model: in a folder, in the Hugging Face cache, or on the hub.

Comes in: names from a config. Goes out: paths, digests, and one-line errors. The cache is checked before the
hub, so that a cached model loads at once, with or without a network. Not its job: what is in the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from triptych.errors import SetupError
from triptych.runs.jsonl import sha256_of

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")
"""Suffixes of weights files."""

HUB_ANSWERS_WITHIN_S = 10.0
"""Timeout. huggingface_hub itself retries for 46 s before it reports that there is no network."""


def is_folder_name(name: str) -> bool:
    """Whether a name means a folder: it begins like a path, or a folder of that name exists."""
    return name.startswith((".", "/", "~")) or Path(name).is_dir()


def digest_of_model(folder: Path, library: str, configs: Sequence[str], weights_name: str) -> str:
    """``sha256:`` and a hash over configs and weights, independent of the folder's location.

    Raises SetupError if the first of ``configs`` or weights are missing, so it has no model of ``library``.
    """
    if not folder.is_dir():
        raise SetupError(
            f"embedding model folder {folder} is not there; expected a folder with {configs[0]} and weights:"
            " check embedding.model"
        )
    if not (folder / configs[0]).is_file():
        raise SetupError(
            f"embedding model folder {folder} has no {configs[0]}, so it is not a model of {library}; save"
            f" one there with {library}, or name another with embedding.model"
        )
    weights = weights_in(folder)
    if not weights:
        raise SetupError(
            f"embedding model folder {folder} has no weights; expected {weights_name} beside its config: copy"
            " it there"
        )
    digest = hashlib.sha256()
    for path in [*(folder / name for name in configs if (folder / name).is_file()), *weights]:
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def weights_in(folder: Path) -> list[Path]:
    """Weights files, sorted by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES)


def cached_folder(repository: str) -> Path | None:
    """Folder with the cached files of a hub repository; None if nothing is cached."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def require_hub(expected: str) -> None:
    """Raise SetupError if the hub doesn't answer: one request, no retries.

    ``expected`` describes a folder that can be configured instead of downloading.
    """
    import httpx
    from huggingface_hub import constants

    if constants.is_offline_mode():
        reason = "HF_HUB_OFFLINE is set"
    else:
        try:
            httpx.head(constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN_S, follow_redirects=False)
            return
        except httpx.HTTPError:
            reason = f"{constants.ENDPOINT} can't be reached"
    raise SetupError(
        f"its weights are not on this machine and {reason}; on a machine with network, download {expected},"
        " and name it with --encoder"
    )
