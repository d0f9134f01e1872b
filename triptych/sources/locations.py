"""Where a user's images are: paths on this machine, and URLs.

Comes in: sources as they were named. Goes out: the same in full, whether something is there, where it has
moved. Not its job: what is in them (see listing).
"""

from __future__ import annotations

import os
from pathlib import Path

from triptych.errors import UsageError
from triptych.sources.remote_storage import info_of, is_remote_folder, is_url


def in_full(source: str | Path) -> str:
    """An absolute path, or the URL."""
    name = str(source)
    return name if is_url(name) else str(Path(name).absolute())


def shown_if_not_utf_8(name: str) -> str | None:
    """How to show a path that is no UTF-8: other bytes as ``\\xNN``. None where it is."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return None


def refuse_unless_utf_8(source: str) -> None:
    """Raise UsageError where the name of a source can't be written into a run's settings."""
    if (shown := shown_if_not_utf_8(source)) is not None:
        raise UsageError(
            f"source {shown}: its path is not UTF-8; rename it, or name a link to it", path=source
        )


def exists(source: str) -> bool:
    """Raises SetupError where the storage can't be reached."""
    if not is_url(source):
        return os.path.lexists(source)
    try:
        info_of(source)
    except FileNotFoundError:
        return False
    return True


def is_folder(source: str) -> bool:
    """Whether files may lie below it; False where nothing is there. Raises as above."""
    try:
        return is_remote_folder(source) if is_url(source) else os.path.isdir(source)
    except FileNotFoundError:
        return False


def is_below(source: str, folder: str) -> bool:
    """Whether ``source`` is ``folder``, or lies in it; both in full."""
    return f"{source.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/")


def moved(source: str, old: str, new: str) -> str:
    """``source`` where it is if all in ``old`` is now in ``new``."""
    return new.rstrip("/") + source[len(old.rstrip("/")) :] if is_below(source, old) else source
