"""Files whose images would get the same keys: what a user is told.

Comes in: two files, each as a path below a root. Goes out: a UsageError with both and with what helps, which
depends on where they lie. Not its job: finding them (see opening).
"""

from __future__ import annotations

from typing import NoReturn

from triptych.errors import UsageError
from triptych.sources.remote_storage import is_url
from triptych.sources.source_kinds import without_suffix


def refuse_other(path: str, root: str, known_root: str, known_path: str | None = None) -> None:
    """Raise UsageError unless ``known_root`` has the same file at ``path``, or ``known_path``."""
    if (root, path) == (known_root, known_path or path):
        return
    key = path if known_path is None else without_suffix(path)
    if root == known_root:
        way_out = "rename one, or leave one out with --exclude"
    elif is_url(f"{root}/{path}"):
        way_out = "name only one of them, or one folder above both as the source"
    else:
        way_out = "name one folder above both as the source, or a folder with a link to each"
    raise UsageError(
        f"{known_root}/{known_path or path} and {root}/{path} would both get the key {key}; {way_out},"
        " so that keys stay unique"
    )


def refuse_shared(root: str, path: str, other_root: str, other_path: str) -> NoReturn:
    """Raise UsageError for an archive and what lies in, or below, a folder of its name."""
    raise UsageError(
        f"{root}/{path} and {other_root}/{other_path} would share keys, as an archive stands for a folder of"
        " its name; rename one, or leave the archive out with --exclude and its name"
    )
