"""The files of a user's sources: folders walked, patterns matched, lists read.

Comes in: one source as it was named. Goes out: files, each as its path below a root. Links are followed;
one that leads back above itself is a file that can't be read, and so is a folder that can't be listed.
Sidecars are left out, and so is what the filter excludes. Nothing is opened but lists. Not its job: what is
in the files (see source_kinds).

In object storage what lies below a prefix is a folder. It has no links.
"""

from __future__ import annotations

import fnmatch
import io
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from triptych.errors import UsageError
from triptych.sources.file_names import EVERYTHING, PathFilter, Says, what_it_says
from triptych.sources.locations import exists, is_folder
from triptych.sources.regular_files import SizeAndTime, open_regular
from triptych.sources.remote_storage import RemoteEntry, is_url, is_web, place_of, remote_entries

LIST_SUFFIXES = (".txt", ".lst")

MAX_LINE_LETTERS = 64 * 1024
"""Of a list. Systems allow paths of 4,096 bytes; what has longer lines is no list, and may have no end."""

EXPECTED = (
    "expected a folder, an image, a tar, zip or Parquet file, a .txt or .lst file with a path or URL a line,"
    " or a quoted pattern such as 'photos/**/*.jpg'"
)


class Listed(NamedTuple):
    """A file at ``root/path``."""

    root: str
    path: str
    says: Says
    """What its name says: of junk no more is known, and of a folder of that name neither."""
    unreadable: str | None = None
    """Why it isn't a file after all."""
    size_and_time: SizeAndTime | None = None
    """Of a file in object storage, where listing has told it."""


def list_source(source: str, chosen: PathFilter = EVERYTHING) -> Iterator[Listed]:
    """The files of ``source``, in full: a path below the folder that was named, or above the first wildcard.

    Raises UsageError where there is nothing, or a list names nothing; SetupError where storage can't be
    reached.
    """
    if is_folder(source):
        files = _walk(source.rstrip("/") or os.sep, "", (), (), chosen)
    elif exists(source):
        is_list = os.path.splitext(source)[1].lower() in LIST_SUFFIXES
        is_list = is_list and (is_url(source) or os.path.isfile(source))
        files = _read_list(source) if is_list else iter([_listed(*os.path.split(source))])
    elif any(map(is_pattern, source.split(os.sep))) and not is_web(source):
        files = _match(source, chosen)
    else:
        raise UsageError(f"source {source} is not there; {EXPECTED}", path=source)
    return (listed for listed in files if not chosen.excludes(listed.path)) if chosen.exclude else files


_Folder = tuple[int, int] | str
"""Device and inode: the same for a folder and all links to it. A URL has none."""


def _walk(
    root: str, path: str, pattern: Sequence[str], above: tuple[_Folder, ...], chosen: PathFilter
) -> Iterator[Listed]:
    """The files below ``root/path`` that match ``pattern``, a name of a folder or file each, or at any depth
    where there is none. ``above`` are the folders on the way."""
    folder = f"{root}/{path}" if path else root
    try:
        here = _identity(folder)
        if here in above:
            if not pattern:
                yield _listed(root, path, "link loop: the link leads to a folder above itself")
            return
        entries = _entries(folder)
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
        if not entry.name or "/" in entry.name:
            yield _listed(root, below, "unusable name: object storage has // in it; rename it")
            continue
        size_and_time = entry.size_and_version if isinstance(entry, RemoteEntry) else None
        is_folder = _is_folder(entry)
        listed = Listed(
            root, below, what_it_says(entry.name, is_folder=is_folder), size_and_time=size_and_time
        )
        if listed.says is Says.JUNK:
            if not any_depth:
                yield listed
        elif is_folder:
            if not chosen.excludes(listed.path):
                yield from _walk(root, listed.path, pattern if any_depth else rest, inward, chosen)
        elif not rest and listed.says is not Says.SIDECAR:
            yield listed


def _match(source: str, chosen: PathFilter) -> Iterator[Listed]:
    """The files that a pattern matches, and those below the folders that it matches."""
    parts = source.split(os.sep)
    if is_url(source):
        fixed = next(at for at, part in enumerate(parts) if is_pattern(part))
    else:
        fixed = 1  # a folder may well be called [2023]: what is there is meant literally
        while os.path.isdir(os.sep.join(parts[: fixed + 1])):
            fixed += 1
    root = os.sep.join(parts[:fixed]) or os.sep
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
    with io.TextIOWrapper(
        open_regular(name), encoding="utf-8-sig", errors="surrogateescape", newline="\n"
    ) as lines:
        while line := lines.readline(MAX_LINE_LETTERS):
            if len(line) == MAX_LINE_LETTERS:
                raise UsageError(
                    f"{name} has a line of over {MAX_LINE_LETTERS:,} letters; expected a file a line"
                )
            named = line.rstrip("\r\n")
            if not named.strip():
                continue
            path = _beside(folder, named)
            place = place_of(path) if is_url(path) else path
            if place in seen:
                continue
            seen.add(place)
            any_there = any_there or is_url(path) or os.path.exists(path)
            if not os.path.splitext(path)[1] and os.path.isdir(path):
                raise UsageError(f"{name} names a folder, {named}; expected a file a line")
            if path.startswith(folder.rstrip(os.sep) + os.sep):
                yield _listed(folder, path.removeprefix(folder).lstrip(os.sep))
            elif is_url(path):
                scheme, _, below = path.partition("//")
                yield _listed(f"{scheme}/", below)
            else:
                yield _listed(os.sep, path[1:])
    if not any_there:
        example = f", not even {min(seen)}" if seen else ""
        raise UsageError(
            f"none of the {len(seen):,} files that {name} names is there{example};"
            " expected a path a line, absolute or relative to the list's folder"
        )


def _beside(folder: str, named: str) -> str:
    """What a list in ``folder`` means by a line."""
    if is_url(named):
        return named
    if is_url(folder):
        scheme, _, rest = folder.partition("://")
        return f"{scheme}://{os.path.normpath(os.path.join(rest, named))}"
    return os.path.normpath(os.path.join(folder, named))


def is_pattern(part: str) -> bool:
    """Whether a path, or a part of one, stands for all that match it."""
    return any(letter in part for letter in "*?[")


def _entries(folder: str) -> Sequence[os.DirEntry[str] | RemoteEntry]:
    if is_url(folder):
        return remote_entries(folder)
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _listed(root: str, path: str, unreadable: str | None = None) -> Listed:
    return Listed(root, path, what_it_says(os.path.basename(path)), unreadable)


def _matches(name: str, pattern: str) -> bool:
    """As shells have it: what begins with a dot is hidden."""
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _is_folder(entry: os.DirEntry[str] | RemoteEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: str) -> _Folder:
    if is_url(folder):
        return folder
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino
