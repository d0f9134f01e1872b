"""Opens sources as shards of files with stable keys.

Comes in: the user's sources: folders, archives, lists, patterns, images. Goes out: shards, which list their
files and read their bytes. The key of an image is its path below the source; an archive counts as a folder of
its name: member ``sa_1.jpg`` of ``sub/sa_000000.tar`` has the key ``sub/sa_000000/sa_1.jpg``, or
``sa_000000/sa_1.jpg`` if the tar itself is the source. In a Parquet file the row number takes the place of
the name. Originals are never copied or changed. Not its job: decoding (see image_decoding), finding files
(see listing), kinds of archives (see source_kinds).
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple, NoReturn

from triptych.errors import UsageError
from triptych.sources.config import InputConfig
from triptych.sources.file_names import EVERYTHING, FileKind, PathFilter, usable_key
from triptych.sources.listing import EXPECTED, LIST_SUFFIXES, Listed, list_source
from triptych.sources.locations import absolute_source, is_folder, refuse_unless_utf_8
from triptych.sources.loose_files import LooseFiles, is_loose_name
from triptych.sources.prefetching import prefetch_map
from triptych.sources.regular_files import SizeAndTime, size_and_time_of
from triptych.sources.remote_storage import UnreachableError, canonical_url, is_url, is_web
from triptych.sources.shard import Archive, Shard, UnreadableArchive, hold_no_images
from triptych.sources.source_kinds import PARQUET, SOURCE_KINDS, SourceKind, recognise, without_suffix
from triptych.sources.unpacking import temporary_folder

DEFAULTS = InputConfig()

MAX_NAME_BYTES = 200
"""Of an archive's name: the run folder's files on it have longer suffixes, and file systems allow 255."""


class Sources(NamedTuple):
    """All shards of all sources."""

    shards: list[Shard]
    """Sorted by name."""
    junk: int
    """Number of files and folders that systems and editors left behind."""


def open_sources(
    sources: Sequence[str | Path], config: InputConfig = DEFAULTS, unpack_to: Path | None = None
) -> list[Shard]:
    """The shards of ``find_sources``."""
    return find_sources(sources, config, unpack_to).shards


def find_sources(
    sources: Sequence[str | Path], config: InputConfig = DEFAULTS, unpack_to: Path | None = None
) -> Sources:
    """Find all files in ``sources``, and cut them into shards. Compressed tars are unpacked to ``unpack_to``,
    by default a folder that is removed when the process ends.

    Raises UsageError if a source doesn't exist, isn't one, or has a path that is not UTF-8, if two images
    would get the same key, or if there are no images and no archives at all; SetupError if pyarrow or the
    library for a URL is missing, or if object storage can't be reached.
    """
    found = _FileCollector(config, unpack_to or Path(temporary_folder().name), several=len(sources) > 1)
    for source in sources:
        found.add_source(absolute_source(source))
    shards = found.open_archives()
    loose = LooseFiles(found.roots, found.unreadable, found.listed)
    found.refuse_shared_keys(loose.images)
    _refuse_no_images(sources, shards, loose)
    shards = sorted([*shards, *loose.shards()], key=lambda shard: shard.name)
    return Sources(shards, found.junk)


class _FileCollector:
    """Collects the files of all sources. A file's root is the folder that its key is relative to."""

    def __init__(self, config: InputConfig, unpack_to: Path, *, several: bool) -> None:
        self._config, self._unpack_to = config, unpack_to
        self._filter = PathFilter(config.include, config.exclude)
        self._has_filter = self._filter != EVERYTHING
        self._several = several
        self.roots: dict[str, str] = {}
        """Of loose files, by key."""
        self.unreadable: dict[str, str] = {}
        """Reasons why some of them are not images, by key."""
        self.listed: dict[str, SizeAndTime] = {}
        """Size and time of loose files, as far as listing gave them."""
        self.junk = 0
        self._archives: dict[str, tuple[str, SourceKind, SizeAndTime | None]] = {}
        """Root, kind, and size and time if listing gave them, by path below the root."""
        self._readable: dict[str, tuple[str, Sequence[Shard]]] = {}
        """Path and shards of each archive that may hold images, by the prefix of its keys."""
        self._seen: set[str] = set()
        """Real paths of the files of earlier sources, if there are several."""

    def add_source(self, source: str) -> None:
        """Add the files of ``source`` that no earlier source has."""
        refuse_unless_utf_8(source)
        found: set[str] = set()
        is_file = not is_folder(source)
        files = list_source(source, self._filter)
        may_be_remote = is_url(source) or source.lower().endswith(LIST_SUFFIXES)
        for listed, key, kind in prefetch_map(_kind_of, files, is_slow=may_be_remote):
            if listed.kind is FileKind.JUNK:
                self.junk += 1
                continue
            if self._several:
                real = _real_path(f"{listed.root}/{listed.path}")
                found.add(real)
                if real in self._seen:
                    continue
            is_source = is_file and listed.path == os.path.basename(source)
            self._add(listed, key, kind, is_source=is_source)
        self._seen |= found

    def _add(self, listed: Listed, key: str, kind: SourceKind | str | None, *, is_source: bool) -> None:
        """Add one file. ``is_source``: it is a source itself."""
        root = listed.root
        is_left_out = self._has_filter and self._filter.leaves_out(key)
        if isinstance(kind, SourceKind):
            if kind is PARQUET and is_left_out:  # its rows have no names to match
                return
            self._add_archive(root, key, kind, listed.size_and_time)
        elif is_left_out:
            return
        elif kind is None:
            _refuse_duplicate_key(key, root, self.roots.setdefault(key, root))
            if listed.size_and_time is not None:
                self.listed[key] = listed.size_and_time
        elif is_source:
            raise UsageError(f"{root}/{key} can't be a source ({kind}); {EXPECTED}")
        else:
            self._add_unreadable(root, key, kind)

    def _add_archive(self, root: str, path: str, kind: SourceKind, size_and_time: SizeAndTime | None) -> None:
        if len(path.rpartition("/")[2].encode()) > MAX_NAME_BYTES:
            raise UsageError(f"{root}/{path}: expected a name of at most {MAX_NAME_BYTES} bytes; shorten it")
        if is_loose_name(without_suffix(path)):
            raise UsageError(
                f"{root}/{path} has a name that Triptych uses for shards of loose files; rename it"
            )
        _refuse_duplicate_key(path, root, self._archives.setdefault(path, (root, kind, size_and_time))[0])

    def _add_unreadable(self, root: str, key: str, reason: str) -> None:
        """Add a file that is not an image. Its key is its absolute path if another root has its usual key."""
        if self.roots.get(key, root) != root:
            root, key = "/", f"{root}/{key}"[1:]
        self.roots[key], self.unreadable[key] = root, reason

    def open_archives(self) -> list[Shard]:
        """The shards of the archives. One that is none after all becomes a file that is not an image.

        Raises UsageError if two with images would share keys.
        """
        shards: list[Shard] = []
        readable: dict[str, list[tuple[Archive, Sequence[Shard]]]] = {}
        for kind in SOURCE_KINDS:
            archives = [
                self._archive(path) for path, (_, its_kind, _) in self._archives.items() if its_kind is kind
            ]
            for archive, opened in zip(archives, kind.open(archives), strict=True):
                if isinstance(opened, str):
                    self._add_unreadable(self._archives[archive.key][0], archive.key, opened)
                elif all(isinstance(shard, UnreadableArchive) for shard in opened):
                    shards += opened
                else:
                    readable.setdefault(archive.name, []).append((archive, opened))
        for same_name in readable.values():
            shards += self._shards_of_name(same_name)
        return shards

    def _archive(self, path: str) -> Archive:
        root, _, known = self._archives[path]
        full = f"{root}/{path}"
        size_and_time = known or size_and_time_of(full)
        return Archive(without_suffix(path), path, full, self._config, self._unpack_to, size_and_time)

    def _shards_of_name(self, same_name: Sequence[tuple[Archive, Sequence[Shard]]]) -> list[Shard]:
        """The shards of archives whose names differ in the suffix only. At most one may hold images; each of
        the others, such as one of annotations, is one record."""
        with_images = [each for each in same_name if len(same_name) == 1 or not hold_no_images(each[1])]
        (one, shards), *others = with_images or same_name[:1]
        self._readable[one.name] = one.key, shards
        root = self._archives[one.key][0]
        for other, _ in others:
            _refuse_duplicate_key(other.key, self._archives[other.key][0], root, one.key)
        reason = "empty archive: it holds no image that is read"
        return [*shards, *(UnreadableArchive(other, reason) for other, _ in same_name if other is not one)]

    def refuse_shared_keys(self, images: Sequence[str]) -> None:
        """Raise UsageError if one of the loose ``images`` (sorted keys), or a member of another archive,
        could get the same key as a member of an archive."""
        has_images = cache(lambda name: not hold_no_images(self._readable[name][1]))
        for name, (path, _) in self._readable.items():
            above = name
            while above := above.rpartition("/")[0]:
                if above in self._readable and has_images(above) and has_images(name):
                    other = self._readable[above][0]
                    _refuse_archive_overlap(self._archives[other][0], other, self._archives[path][0], path)
            at = bisect.bisect_left(images, f"{name}/")
            if at < len(images) and images[at].startswith(f"{name}/") and has_images(name):
                _refuse_archive_overlap(self._archives[path][0], path, self.roots[images[at]], images[at])


def _kind_of(listed: Listed) -> tuple[Listed, str, SourceKind | str | None]:
    """``listed``, its key, and its kind of source (see source_kinds.recognise). Junk isn't opened."""
    key, unusable = usable_key(listed.path)
    reason = listed.unreadable or unusable
    if reason is not None or listed.kind is FileKind.JUNK:
        return listed, key, reason
    path = f"{listed.root}/{key}"
    try:
        return listed, key, recognise(path, listed.kind)
    except UnreachableError as error:
        if not is_web(path):
            raise
        return listed, key, f"read error: {error}"


def _real_path(path: str) -> str:
    """The path without links, or the canonical URL. The real paths of folders are cached."""
    if is_url(path):
        return canonical_url(path)
    folder, name = os.path.split(path)
    return os.path.realpath(path) if os.path.islink(path) else f"{_real_folder(folder)}/{name}"


_real_folder = lru_cache(maxsize=4096)(os.path.realpath)


def _refuse_no_images(sources: Sequence[str | Path], shards: Sequence[Shard], loose: LooseFiles) -> None:
    """Raise UsageError if there are neither images nor archives; damaged archives count."""
    if shards or loose.images:
        return
    reasons = "; ".join(sorted(set(loose.reasons))[:3])
    found = f"; found {reasons}" if reasons else ""
    raise UsageError(f"no images in {', '.join(map(str, sources))}{found}; {EXPECTED}")


def _refuse_duplicate_key(path: str, root: str, known_root: str, known_path: str | None = None) -> None:
    """Raise UsageError unless ``root/path`` is ``known_root/known_path``, the first file with its key.
    ``known_path`` is ``path`` by default."""
    if (root, path) == (known_root, known_path or path):
        return
    key = path if known_path is None else without_suffix(path)
    if root == known_root:
        fix = "rename one, or leave one out with --exclude"
    elif is_url(f"{root}/{path}"):
        fix = "name only one of them, or one folder above both as the source"
    else:
        fix = "name one folder above both as the source, or a folder with a link to each"
    raise UsageError(
        f"{known_root}/{known_path or path} and {root}/{path} would both get the key {key}; {fix},"
        " so that keys stay unique"
    )


def _refuse_archive_overlap(root: str, path: str, other_root: str, other_path: str) -> NoReturn:
    raise UsageError(
        f"{root}/{path} and {other_root}/{other_path} would share keys, as an archive stands for a folder of"
        " its name; rename one, or leave the archive out with --exclude and its name"
    )
