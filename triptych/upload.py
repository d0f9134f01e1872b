"""Upload of finished files to object storage or to the Hugging Face hub.

Comes in: a complete local file or folder, and a URL. Goes out: a copy there. Nothing is deleted at the URL
except an outdated manifest. Not its job: making the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from triptych.errors import SetupError, UsageError
from triptych.sources.remote_storage import filesystem, info_of, is_web, with_retries

HUB = "hf://datasets/"


def upload_folder(folder: Path, url: str, last: str) -> None:
    """Copy all files below ``folder``, and ``last`` after all others: it is there only when all are.

    Raises UsageError if other files are at ``url``, SetupError if it can't be written.
    """
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if others := sorted(_names_in(url) - names):
        raise UsageError(
            f"{url} holds other files, such as {others[0]}; name a place of its own, or remove them"
        )
    storage, target = _writable(f"{url.rstrip('/')}/{last}")
    if with_retries(url, lambda: storage.exists(target)):  # from an earlier upload
        with_retries(url, lambda: storage.rm(target))
    for name in [*sorted(names - {last}), last]:
        upload_file(folder / name, f"{url.rstrip('/')}/{name}")


def upload_file(path: Path, url: str) -> None:
    """Copy one file, atomically. Raises as ``upload_folder`` does."""
    storage, target = _writable(url)
    with_retries(url, lambda: storage.put_file(str(path), target))
    size_bytes = info_of(url)["size"]
    if size_bytes != path.stat().st_size:
        raise SetupError(f"{url} has {size_bytes:,} bytes, {path} {path.stat().st_size:,}; upload it again")


def refuse_unwritable(url: str) -> None:
    """Raise UsageError or SetupError if ``url`` can't be uploaded to, as far as listing it can tell."""
    _names_in(url)


def push(folder: Path, url: str, names: Sequence[str], say: Callable[[str], None], *, private: bool) -> str:
    """Upload the files ``names`` of ``folder`` as a dataset of the hub, which is created if missing.

    Returns its address. Other files in it, such as those of an earlier push, stay and are reported. An
    interrupted upload is resumed by huggingface_hub. Raises UsageError, SetupError.
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
    except Exception as error:  # depends on the HTTP library of the installed release
        said = " ".join(str(error).split())
        raise SetupError(
            f"{url} can't be written ({said}); check the network and HF_TOKEN or `hf auth login`, and run"
            " the same command again: it resumes"
        ) from None
    if others:
        named = ", ".join(sorted(others)[:3])
        say(f"note: {url} also holds {len(others):,} files that are not part of this export, such as {named}")
    return str(repo)


def _writable(url: str) -> tuple[Any, str]:
    if is_web(url) or url.startswith("hf://"):
        raise UsageError(f"{url}: nothing is written there; name a bucket, or `triptych push` for {HUB}...")
    return filesystem(url)


def _names_in(url: str) -> set[str]:
    storage, root = _writable(url)
    try:
        found: Sequence[str] = with_retries(url, lambda: storage.find(root))
    except FileNotFoundError:
        return set()
    names = {path.removeprefix(root.rstrip("/")).lstrip("/") for path in found}
    # Consoles create folders as empty objects whose names end in a slash.
    return {name for name in names if name and not name.endswith("/")}
