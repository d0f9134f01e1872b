"""The files of a user's sources: folders walked, patterns matched, lists read.

Comes in: one source as it was named. Goes out: files, each as its path below a root. Links are followed;
one that leads back above itself is a file that can't be read, and so is a folder that can't be listed.
Sidecars are left out, and so is what the filter excludes. Nothing is opened but lists. Not its job: what is
in the files (see source_kinds).
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from triptych.errors import UsageError
from triptych.sources.file_names import EVERYTHING, PathFilter, Says, what_it_says

LIST_SUFFIXES = (".txt", ".lst")

MAX_LINE_LETTERS = 64 * 1024
"""Of a list. Systems allow paths of 4,096 bytes; what has longer lines is no list, and may have no end."""

EXPECTED = (
    "expected a folder, an image, a tar, zip or Parquet file, a .txt or .lst file with a path a line, or a"
    " quoted pattern such as 'photos/**/*.jpg'"
)


class Listed(NamedTuple):
    """A file at ``root/path``."""

    root: str
    path: str
    says: Says
    """What its name says: of junk no more is known, and of a folder of that name neither."""
    unreadable: str | None = None
    """Why it isn't a file after all."""


def list_source(source: Path, chosen: PathFilter = EVERYTHING) -> Iterator[Listed]:
    """The files of ``source``: a path below the folder that was named, or above the first wildcard.

    Raises UsageError where there is nothing, or a list names nothing.
    """
    name = str(source.absolute())
    if os.path.isdir(name):
        files = _walk(name, "", (), (), chosen)
    elif os.path.lexists(name):
        is_list = os.path.splitext(name)[1].lower() in LIST_SUFFIXES and os.path.isfile(name)
        files = _read_list(name) if is_list else iter([_listed(*os.path.split(name))])
    elif any(map(_is_pattern, source.parts)):
        files = _match(name, source, chosen)
    else:
        raise UsageError(f"source {source} is not there; {EXPECTED}", path=source)
    return (listed for listed in files if not chosen.excludes(listed.path)) if chosen.exclude else files


_Folder = tuple[int, int]
"""Device and inode: the same for a folder and all links to it."""


def _walk(
    root: str, path: str, pattern: Sequence[str], above: tuple[_Folder, ...], chosen: PathFilter
) -> Iterator[Listed]:
    """The files below ``root/path`` that match ``pattern``, a name of a folder or file each, or at any depth
    where there is none. ``above`` are the folders on the way."""
    try:
        here = _identity(os.path.join(root, path))
        if here in above:
            if not pattern:
                yield _listed(root, path, "link loop: the link leads to a folder above itself")
            return
        entries = _entries(os.path.join(root, path))
    except OSError as error:
        if not path:
            raise UsageError(
                f"can't list {root}: {error.strerror}; make it readable or leave it out"
            ) from None
        yield _listed(root, path, f"read error: the folder can't be listed: {error.strerror}")
        return
    head, rest = (pattern[0], pattern[1:]) if pattern else ("*", ())
    inward = (*above, here)
    any_depth = head == "**" and bool(rest)
    if any_depth:
        yield from _walk(root, path, rest, above, chosen)
    for entry in entries:
        if pattern and not _matches(entry.name, head):
            continue
        below = f"{path}/{entry.name}" if path else entry.name
        listed = Listed(root, below, what_it_says(entry.name))
        if listed.says is Says.JUNK:
            if not any_depth:
                yield listed
        elif _is_folder(entry):
            if not chosen.excludes(listed.path):
                yield from _walk(root, listed.path, pattern if any_depth else rest, inward, chosen)
        elif not rest and listed.says is not Says.SIDECAR:
            yield listed


def _match(name: str, source: Path, chosen: PathFilter) -> Iterator[Listed]:
    """The files that a pattern matches, and those below the folders that it matches."""
    parts = name.split(os.sep)[1:]
    fixed = 0  # a folder may well be called [2023]: what is there is meant literally
    while os.path.isdir(os.sep + os.path.join(*parts[: fixed + 1])):
        fixed += 1
    root = os.sep + os.path.join("", *parts[:fixed])
    seen: set[str] = set()
    for listed in _walk(root, "", parts[fixed:], (), chosen):
        if listed.path not in seen:
            seen.add(listed.path)
            yield listed
    if not seen:
        raise UsageError(f"pattern {source} matches nothing; {EXPECTED}")


def _read_list(name: str) -> Iterator[Listed]:
    """The files that a list names, a path a line, each once; below the list's folder where they lie there.

    A file that isn't there is listed: reading it will say so. Raises UsageError where none is there.
    """
    folder = os.path.dirname(name)
    seen: set[str] = set()
    any_there = False
    with open(name, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
        while line := lines.readline(MAX_LINE_LETTERS):
            if len(line) == MAX_LINE_LETTERS:
                raise UsageError(
                    f"{name} has a line of over {MAX_LINE_LETTERS:,} letters; expected a file a line"
                )
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
            root, below = (folder, os.path.relpath(path, folder)) if inside else (os.sep, path[1:])
            yield _listed(root, below)
    if not any_there:
        example = f", not even {min(seen)}" if seen else ""
        raise UsageError(
            f"none of the {len(seen):,} files that {name} names is there{example};"
            " expected a path a line, absolute or relative to the list's folder"
        )


def _is_pattern(part: str) -> bool:
    return any(letter in part for letter in "*?[")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _listed(root: str, path: str, unreadable: str | None = None) -> Listed:
    return Listed(root, path, what_it_says(os.path.basename(path)), unreadable)


def _matches(name: str, pattern: str) -> bool:
    """As shells have it: what begins with a dot is hidden."""
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: str) -> _Folder:
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino
