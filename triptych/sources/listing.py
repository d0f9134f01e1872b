"""The files of a user's sources: folders walked, patterns matched, lists read.

Comes in: one source as it was named. Goes out: files, each as its path below a root. Links are followed;
one that leads back above itself is a file that can't be read. Sidecars are left out. Nothing is opened but
lists. Not its job: what is in the files (see sources).
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from triptych.errors import UsageError
from triptych.sources.shard import IMAGE_SUFFIXES, is_sidecar, why_not_an_image
from triptych.sources.source_kinds import ARCHIVE_SUFFIXES

LIST_SUFFIXES = (".txt", ".lst")
EXPECTED = (
    f"expected a folder, a {', a '.join(ARCHIVE_SUFFIXES)}, an image, a .txt or .lst file with a path a line,"
    " or a quoted pattern such as 'photos/**/*.jpg'"
)


class Listed(NamedTuple):
    """A file at ``root/path``. ``unreadable`` says why it isn't one after all."""

    root: str
    path: str
    unreadable: str | None = None


def list_source(source: Path) -> Iterator[Listed]:
    """The files of ``source``: a path below the folder that was named, or above the first wildcard.

    Raises UsageError where it is nothing that can be a source.
    """
    name = str(source.absolute())
    if os.path.isdir(name):
        yield from _walk(name, "", ())
    elif os.path.isfile(name):
        suffix = os.path.splitext(name)[1].lower()
        if suffix in LIST_SUFFIXES:
            yield from _read_list(name)
        elif suffix in IMAGE_SUFFIXES or name.endswith(ARCHIVE_SUFFIXES):
            yield Listed(*os.path.split(name))
        else:
            raise UsageError(
                f"source {source} is no source ({why_not_an_image(name)}); {EXPECTED}", path=source
            )
    elif not os.path.lexists(name) and any(map(_is_pattern, source.parts)):
        yield from _match(name, source)
    else:
        raise UsageError(f"source {source} is not there; {EXPECTED}", path=source)


_Folder = tuple[int, int]
"""Device and inode: the same for a folder and all links to it."""


def _walk(root: str, path: str, above: tuple[_Folder, ...]) -> Iterator[Listed]:
    """All files below ``root/path``, at any depth. ``above`` are the folders on the way to it."""
    here = _identity(os.path.join(root, path))
    if here in above:
        yield Listed(root, path, "link loop: the link leads to a folder above itself")
        return
    for entry in _entries(os.path.join(root, path)):
        below = f"{path}/{entry.name}" if path else entry.name
        if _is_folder(entry):
            yield from _walk(root, below, (*above, here))
        elif not is_sidecar(entry.name):
            yield Listed(root, below)


def _match(name: str, source: Path) -> Iterator[Listed]:
    """The files that a pattern matches, and those below the folders that it matches."""
    parts = name.split(os.sep)[1:]
    fixed = 0  # a folder may well be called [2023]: what is there is meant literally
    while os.path.isdir(os.sep + os.path.join(*parts[: fixed + 1])):
        fixed += 1
    root = os.sep + os.path.join("", *parts[:fixed])
    found = False
    seen: set[str] = set()
    for listed in _match_below(root, "", parts[fixed:], ()):
        found = True
        if listed.path not in seen and not is_sidecar(listed.path):
            seen.add(listed.path)
            yield listed
    if not found:
        raise UsageError(f"pattern {source} matches nothing; {EXPECTED}")


def _match_below(
    root: str, path: str, pattern: Sequence[str], above: tuple[_Folder, ...]
) -> Iterator[Listed]:
    folder = os.path.join(root, path)
    here = _identity(folder)
    if here in above:
        return
    head, rest = pattern[0], pattern[1:]
    if head == "**" and rest:
        yield from _match_below(root, path, rest, above)
    inward = (*above, here)
    for entry in _entries(folder):
        below = f"{path}/{entry.name}" if path else entry.name
        if entry.name.startswith(".") and not head.startswith("."):
            continue
        if head == "**" and rest:
            if _is_folder(entry):
                yield from _match_below(root, below, pattern, inward)
        elif fnmatch.fnmatchcase(entry.name, head):
            if not _is_folder(entry):
                if not rest:
                    yield Listed(root, below)
            elif rest:
                yield from _match_below(root, below, rest, inward)
            else:
                yield from _walk(root, below, inward)


def _read_list(name: str) -> Iterator[Listed]:
    """The files that a list names, a path a line, each once; below the list's folder where they lie there.

    A file that isn't there is listed: reading it will say so. Raises UsageError where none is there.
    """
    folder = os.path.dirname(name)
    seen: set[str] = set()
    any_there = False
    with open(name, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            named = line.rstrip("\r\n")
            if not named.strip():
                continue
            path = os.path.normpath(os.path.join(folder, named))
            if path in seen:
                continue
            seen.add(path)
            any_there = any_there or os.path.exists(path)
            if not os.path.splitext(path)[1] and os.path.isdir(path):
                raise UsageError(f"{name} names a folder, {named}; expected a file a line")
            inside = path.startswith(folder.rstrip(os.sep) + os.sep)
            yield Listed(folder, os.path.relpath(path, folder)) if inside else Listed(os.sep, path[1:])
    if not any_there:
        example = f", not even {min(seen)}" if seen else ""
        raise UsageError(
            f"none of the {len(seen):,} files that {name} names is there{example};"
            " expected a path a line, absolute or relative to the list's folder"
        )


def _is_pattern(part: str) -> bool:
    return any(letter in part for letter in "*?[")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"can't list {folder}: {error.strerror}; make it readable or leave it out") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: str) -> _Folder:
    try:
        stat = os.stat(folder)
    except OSError as error:
        raise UsageError(f"can't list {folder}: {error.strerror}; make it readable or leave it out") from None
    return stat.st_dev, stat.st_ino
