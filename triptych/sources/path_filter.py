"""Patterns that leave files out, or let only some in.

Comes in: what a user has set. Goes out: whether a path below a source is left out. Not its job: junk and
sidecars, which are never images (see file_names).
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import msgspec


class PathFilter(msgspec.Struct, frozen=True):
    """``*`` stands for any letters, ``/`` included. A pattern without ``/`` is compared with each name on the
    path, folders included, one with ``/`` with the whole path below the source and the folders on it."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def excludes(self, path: str) -> bool:
        """Whether ``path``, of a file or a folder, or a folder on it, is named by an exclude pattern."""
        return any(_matches(path, pattern) for pattern in self.exclude)

    def leaves_out(self, path: str) -> bool:
        """Whether the file at ``path`` is excluded, or there are include patterns and none names it."""
        if self.excludes(path):
            return True
        return bool(self.include) and not any(_matches(path, pattern) for pattern in self.include)

    def of_members(self, path: str) -> PathFilter:
        """The filter of what is in the archive at ``path``: one that is included itself is so with all."""
        return PathFilter(() if not self.leaves_out(path) else self.include, self.exclude)

    def described(self) -> str:
        """Part of a fingerprint; empty where nothing is left out."""
        return "".join(f"\t{name} {' '.join(map(repr, patterns))}" for name, patterns in self._set())

    def _set(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        both = (("include", self.include), ("exclude", self.exclude))
        return [(name, patterns) for name, patterns in both if patterns]


def _matches(path: str, pattern: str) -> bool:
    pattern = pattern.removesuffix("/")
    parts = path.split("/")
    if "/" not in pattern:
        return any(fnmatchcase(part, pattern) for part in parts)
    return any(fnmatchcase("/".join(parts[: n + 1]), pattern.removeprefix("/")) for n in range(len(parts)))


EVERYTHING = PathFilter()
