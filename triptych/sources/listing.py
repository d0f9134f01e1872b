"""Lists the files of a source: walks folders, matches patterns, reads lists of paths.

Comes in: one source. Goes out: files, each as a path below a root. Links are followed; a link to one of its
parent folders, or a folder that can't be listed, is a file that can't be read. Sidecars and what the filter
excludes are left out. Only lists are opened. In object storage a prefix is a folder. Not its job: what is in
the files (see source_kinds).
"""

from __future__ import annotations

import codecs
import fnmatch
import io
import os
from collections.abc import Iterator, Sequence
from operator import attrgetter

import msgspec

from triptych.errors import UsageError
from triptych.sources.file_names import EVERYTHING, FileKind, PathFilter, kind_by_name
from triptych.sources.locations import exists, is_folder
from triptych.sources.regular_files import SizeAndTime, open_regular, read_head
from triptych.sources.remote_storage import FolderEntry, canonical_url, is_url, is_web, remote_entries

LIST_SUFFIXES = (".txt", ".lst")

MAX_LINE_CHARACTERS = 64 * 1024
"""Of a list. Systems allow paths of 4,096 bytes; a file with longer lines is not a list."""

EXPECTED = (
    "expected a folder, an image, a tar, zip or Parquet file, a .txt or .lst file with one path or URL per"
    " line, or a quoted pattern such as 'photos/**/*.jpg'"
)


class Listed(msgspec.Struct, frozen=True):
    """A file at ``root/path``."""

    root: str
    path: str
    kind: FileKind
    """By its name. Junk may also be a folder."""
    unreadable: str | None = None
    """Why it can't be read as a file."""
    size_and_time: SizeAndTime | None = None
    """Of a file in object storage, if listing gave them."""


def list_source(source: str, path_filter: PathFilter = EVERYTHING) -> Iterator[Listed]:
    """The files of ``source``, an absolute path or URL. The root of a pattern is the folder above its first
    wildcard.

    Raises UsageError if ``source`` doesn't exist or has no files; SetupError if storage can't be reached.
    """
    if is_folder(source):
        files = _walk(source.rstrip("/") or os.sep, "", (), (), path_filter)
    elif exists(source):
        is_list = os.path.splitext(source)[1].lower() in LIST_SUFFIXES
        is_list = is_list and (is_url(source) or os.path.isfile(source))
        files = _read_list(source) if is_list else iter([_listed(*os.path.split(source))])
    elif any(map(is_pattern, source.split(os.sep))) and not is_web(source):
        files = _match(source, path_filter)
    else:
        raise UsageError(f"source {source} does not exist; {EXPECTED}", path=source)
    if not path_filter.exclude:
        return files
    return (listed for listed in files if not path_filter.excludes(listed.path))


_FolderId = tuple[int, int] | str
"""Device and inode: the same for a folder and all links to it. Of a URL the URL."""


def _walk(
    root: str, path: str, pattern: Sequence[str], above: tuple[_FolderId, ...], path_filter: PathFilter
) -> Iterator[Listed]:
    """The files below ``root/path``. ``pattern`` has one part for each level of folders; with none left, all
    files at any depth match. ``above`` are the folders from ``root`` to here."""
    folder = f"{root}/{path}" if path else root
    try:
        here = _folder_id(folder)
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
    any_depth = head == "**" and bool(rest)
    if any_depth:
        yield from _walk(root, path, rest, above, path_filter)
    for entry in entries:
        if pattern and not _matches(entry.name, head):
            continue
        below = f"{path}/{entry.name}" if path else entry.name
        if not entry.name or "/" in entry.name:
            yield _listed(root, below, "unusable name: object storage has // in it; rename it")
            continue
        kind = kind_by_name(entry.name, is_folder=entry.is_folder)
        listed = Listed(root, below, kind, size_and_time=entry.size_and_version)
        if kind is FileKind.JUNK:
            if not any_depth:
                yield listed
        elif entry.is_folder:
            if not path_filter.excludes(below):
                deeper = pattern if any_depth else rest
                yield from _walk(root, below, deeper, (*above, here), path_filter)
        elif not rest and kind is not FileKind.SIDECAR:
            yield listed


def _match(source: str, path_filter: PathFilter) -> Iterator[Listed]:
    """The files that a pattern matches, and all files in the folders that it matches."""
    parts = source.split(os.sep)
    if is_url(source):
        fixed = next(at for at, part in enumerate(parts) if is_pattern(part))
    else:
        fixed = 1  # an existing folder is taken literally: its name may be [2023]
        while os.path.isdir(os.sep.join(parts[: fixed + 1])):
            fixed += 1
    root = os.sep.join(parts[:fixed]) or os.sep
    seen: set[str] = set()
    for listed in _walk(root, "", parts[fixed:], (), path_filter):
        if listed.path not in seen:
            seen.add(listed.path)
            yield listed
    if not seen:
        raise UsageError(f"pattern {source} matches nothing; {EXPECTED}")


def _read_list(name: str) -> Iterator[Listed]:
    """The files of a list with one path or URL per line, without duplicates. The root of those in the list's
    folder is that folder.

    A missing file is listed, and recorded when it is read. Raises UsageError if all are missing.
    """
    folder = os.path.dirname(name)
    seen: set[str] = set()
    any_exists = False
    encoding = "utf-16" if read_head(name, 2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    with io.TextIOWrapper(
        open_regular(name), encoding=encoding, errors="surrogateescape", newline="\n"
    ) as lines:
        while line := lines.readline(MAX_LINE_CHARACTERS):
            if len(line) == MAX_LINE_CHARACTERS:
                raise UsageError(
                    f"{name} has a line of over {MAX_LINE_CHARACTERS:,} characters; expected a file a line"
                )
            entry = line.rstrip("\r\n")
            if not entry.strip():
                continue
            path = _resolved(folder, entry)
            identity = canonical_url(path) if is_url(path) else path
            if identity in seen:
                continue
            seen.add(identity)
            any_exists = any_exists or is_url(path) or os.path.exists(path)
            if not os.path.splitext(path)[1] and os.path.isdir(path):
                raise UsageError(f"{name} names a folder, {entry}; expected a file a line")
            if path.startswith(folder.rstrip(os.sep) + os.sep):
                yield _listed(folder, path.removeprefix(folder).lstrip(os.sep))
            elif is_url(path):
                scheme, _, below = path.partition("//")
                yield _listed(f"{scheme}/", below)
            else:
                yield _listed(os.sep, path[1:])
    if not any_exists:
        example = f", such as {min(seen)}," if seen else ""
        raise UsageError(
            f"none of the {len(seen):,} files in {name}{example} exists;"
            " expected a path a line, absolute or relative to the list's folder"
        )


def _resolved(folder: str, entry: str) -> str:
    """The path or URL that a line of a list in ``folder`` names."""
    if is_url(entry):
        return entry
    if is_url(folder):
        scheme, _, rest = folder.partition("://")
        return f"{scheme}://{os.path.normpath(os.path.join(rest, entry))}"
    return os.path.normpath(os.path.join(folder, entry))


def is_pattern(part: str) -> bool:
    """Whether a path, or a part of one, has wildcards."""
    return any(letter in part for letter in "*?[")


def _entries(folder: str) -> Sequence[FolderEntry]:
    """Sorted by name."""
    if is_url(folder):
        return remote_entries(folder)
    with os.scandir(folder) as entries:
        found = [FolderEntry(entry.name, _is_folder(entry)) for entry in entries]
    return sorted(found, key=attrgetter("name"))


def _listed(root: str, path: str, unreadable: str | None = None) -> Listed:
    return Listed(root, path, kind_by_name(os.path.basename(path)), unreadable)


def _matches(name: str, pattern: str) -> bool:
    """Like a shell: wildcards don't match names that begin with a dot."""
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _folder_id(folder: str) -> _FolderId:
    if is_url(folder):
        return folder
    stat = os.stat(folder)
    return stat.st_dev, stat.st_ino
