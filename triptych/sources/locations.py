"""Locations of sources: local paths and URLs.

Comes in: sources as the user gave them. Goes out: absolute locations, and answers on them: whether one
exists, is a folder, lies in another. Not its job: the files in a source (see listing).
"""

from __future__ import annotations

import os
from pathlib import Path

from triptych.errors import UsageError
from triptych.sources.remote_storage import info_of, is_remote_folder, is_url


def absolute_source(source: str | Path) -> str:
    """An absolute path, or the URL."""
    name = str(source)
    return name if is_url(name) else str(Path(name).absolute())


def shown_if_not_utf_8(name: str) -> str | None:
    """How to show a path that is not UTF-8: other bytes as ``\\xNN``. None if it is UTF-8."""
    if name.isascii():  # the common case, and quick
        return None
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return None


def refuse_unless_utf_8(source: str) -> None:
    """Raise UsageError if a source's path can't be stored in a run's settings."""
    if (shown := shown_if_not_utf_8(source)) is not None:
        raise UsageError(
            f"source {shown}: its path is not UTF-8; rename it, or name a link to it", path=source
        )


def exists(source: str) -> bool:
    """Whether the source exists. Raises SetupError if its storage can't be reached."""
    if not is_url(source):
        return os.path.lexists(source)
    try:
        info_of(source)
    except FileNotFoundError:
        return False
    return True


def is_folder(source: str) -> bool:
    """Whether files can lie below the source; False if it doesn't exist. Raises as ``exists`` does."""
    try:
        return is_remote_folder(source) if is_url(source) else os.path.isdir(source)
    except FileNotFoundError:
        return False


def is_below(source: str, folder: str) -> bool:
    """Whether ``source`` is ``folder`` or lies in it; both are absolute."""
    return f"{source.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def moved(source: str, old: str, new: str) -> str:
    """``source`` after everything in ``old`` was moved to ``new``."""
    return new.rstrip("/") + source[len(old.rstrip("/")) :] if is_below(source, old) else source
