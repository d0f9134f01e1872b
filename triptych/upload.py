"""What a run has finished, copied to object storage or to the Hugging Face hub.

Comes in: a local file or folder that is whole, and a URL. Goes out: the same there; of what is there
nothing is deleted but a manifest that isn't so any more. Not its job: making it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from triptych.errors import SetupError, UsageError
from triptych.sources.remote_storage import filesystem, info_of, is_web, persistently

HUB = "hf://datasets/"


def upload_folder(folder: Path, url: str, last: str) -> None:
    """Copy all files below ``folder``, that called ``last`` at the end, and before that none of this name is
    there: where it is, all are.

    Raises UsageError where other files are there, SetupError where it can't be written.
    """
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if others := sorted(_names_in(url) - names):
        raise UsageError(
            f"{url} holds other files, such as {others[0]}; name a place of its own, or remove them"
        )
    storage, target = _writable(f"{url.rstrip('/')}/{last}")
    if persistently(url, lambda: storage.exists(target)):  # of an upload before
        persistently(url, lambda: storage.rm(target))
    for name in [*sorted(names - {last}), last]:
        upload_file(folder / name, f"{url.rstrip('/')}/{name}")


def upload_file(path: Path, url: str) -> None:
    """Copy one file, which is there as a whole or not at all. Raises as above."""
    storage, target = _writable(url)
    persistently(url, lambda: storage.put_file(str(path), target))
    size_bytes = info_of(url)["size"]
    if size_bytes != path.stat().st_size:
        raise SetupError(f"{url} has {size_bytes:,} bytes, {path} {path.stat().st_size:,}; upload it again")


def refuse_unwritable(url: str) -> None:
    """Raise UsageError, SetupError where nothing can be uploaded to ``url``, as far as a look there tells."""
    _names_in(url)


def push(folder: Path, url: str, names: Sequence[str], say: Callable[[str], None], *, private: bool) -> str:
    """Upload the files ``names`` of ``folder`` as a dataset of the hub, which is made if it isn't there.

    Returns its address. What other files are there, as those of an earlier push, stays, and is said.
    huggingface_hub's own upload goes on where an earlier one was cut off. Raises
    UsageError, SetupError.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    name = url.removeprefix(HUB).strip("/")
    if not url.startswith(HUB) or name.count("/") > 1 or not name:
        raise UsageError(f"{url}: expected {HUB}NAME or {HUB}OWNER/NAME")
    hub = HfApi()
    try:
        repo = hub.create_repo(name, repo_type="dataset", private=private or None, exist_ok=True)
        hub.upload_folder(
            repo_id=repo.repo_id, repo_type="dataset", folder_path=folder, allow_patterns=[*names]
        )
        others = {*hub.list_repo_files(repo.repo_id, repo_type="dataset")} - {*names, ".gitattributes"}
    except HFValidationError as error:
        raise UsageError(f"{url}: {error}") from None
    except Exception as error:  # of the library that its release happens to send with
        said = " ".join(str(error).split())
        raise SetupError(
            f"{url} can't be written ({said}); see to the network and to HF_TOKEN or `hf auth login`, and run"
            " the same command again: it goes on"
        ) from None
    if others:
        named = ", ".join(sorted(others)[:3])
        say(f"note: {url} also holds {len(others):,} files that are no part of this export, such as {named}")
    return str(repo)


def _writable(url: str) -> tuple[Any, str]:
    if is_web(url) or url.startswith("hf://"):
        raise UsageError(f"{url}: nothing is written there; name a bucket, or `triptych push` for {HUB}...")
    return filesystem(url)


def _names_in(url: str) -> set[str]:
    storage, root = _writable(url)
    try:
        found: Sequence[str] = persistently(url, lambda: storage.find(root))
    except FileNotFoundError:
        return set()
    names = {path.removeprefix(root.rstrip("/")).lstrip("/") for path in found}
    # An empty object whose name ends so is what a console calls a folder.
    return {name for name in names if name and not name.endswith("/")}
