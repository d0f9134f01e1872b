"""Where the files of a model are: in a folder, in the Hugging Face cache, or on the hub.

Comes in: names from a config. Goes out: paths, digests, and one-line errors. The cache is asked by itself, so
that a model that is there loads at once, with or without a network. Not its job: what is in the files.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from triptych.errors import SetupError
from triptych.runs.jsonl import sha256_of

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")
"""Of what counts as weights in a folder."""

HUB_ANSWERS_WITHIN_S = 10.0
"""huggingface_hub by itself retries for 46 s before it says that there is no network."""


def is_folder_name(name: str) -> bool:
    """Whether a name means a folder: it begins like a path, or a folder of that name is there."""
    return name.startswith((".", "/", "~")) or Path(name).is_dir()


def digest_of_model(folder: Path, library: str, configs: Sequence[str], weights_name: str) -> str:
    """``sha256:`` and a hash over configs (the first must be there) and weights: the same wherever it lies.

    Raises SetupError if ``folder`` has no model of ``library``.
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
    """Files of weights, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES)


def closest(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name, to go behind it: those of ``known`` that look like it."""
    lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(lower[each] for each in found)}?)" if found else ""


def cached_folder(repository: str) -> Path | None:
    """The files of a hub repository that are in the cache; None where there is none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def require_hub(expected: str) -> None:
    """Raise SetupError where the hub gives no answer: one request, no retries.

    ``expected`` is a folder that can be named in place of what would have to be downloaded.
    """
    import httpx
    from huggingface_hub import constants

    reason = f"{constants.ENDPOINT} can't be reached"
    if constants.is_offline_mode():
        reason = "HF_HUB_OFFLINE is set"
    else:
        try:
            httpx.head(constants.ENDPOINT, timeout=HUB_ANSWERS_WITHIN_S, follow_redirects=False)
            return
        except httpx.HTTPError:
            pass
    raise SetupError(
        f"its weights are not on this machine and {reason}; on a machine with network, download {expected},"
        " and name it as embedding.model"
    )
