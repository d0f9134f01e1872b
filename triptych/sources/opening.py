"""Where images come from, as shards of files with stable keys.

Comes in: what a user named: folders, archives, lists, patterns, images. Goes out: shards, which list their
files and read their bytes. The key of an image is its path below the folder that was named, an archive
standing for a folder of its own name: ``sub/sa_000000.tar`` with member ``sa_1.jpg`` gives
``sub/sa_000000/sa_1.jpg``; a tar named by itself gives ``sa_000000/sa_1.jpg``. In a Parquet file the row's
number stands for the name. Originals are never copied or changed. Not its job: decoding (see image_decoding),
finding the files (see listing), what archives there are (see source_kinds).
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from triptych.errors import UsageError
from triptych.sources.config import InputConfig
from triptych.sources.file_names import EVERYTHING, PathFilter, Says, usable_key
from triptych.sources.listing import EXPECTED, LIST_SUFFIXES, Listed, list_source
from triptych.sources.locations import in_full, is_folder, refuse_unless_utf_8
from triptych.sources.loose_files import LooseFiles, is_loose_name
from triptych.sources.reading_ahead import map_ahead
from triptych.sources.regular_files import SizeAndTime, size_and_time_of
from triptych.sources.remote_storage import UnreachableError, is_url, is_web, place_of
from triptych.sources.shard import Archive, Shard, UnreadableArchive, hold_no_images
from triptych.sources.shared_keys import refuse_other, refuse_shared
from triptych.sources.source_kinds import PARQUET, SOURCE_KINDS, SourceKind, recognise, without_suffix
from triptych.sources.unpacking import temporary_folder

DEFAULTS = InputConfig()

MAX_NAME_BYTES = 200
"""Of an archive, as its shard's files have its name and a longer suffix; file systems allow 255."""


class Sources(NamedTuple):
    """Everything that was named."""

    shards: list[Shard]
    """Sorted by name."""
    junk: int
    """Files and folders that systems and editors left."""


def open_sources(
    sources: Sequence[str | Path], config: InputConfig = DEFAULTS, unpack_to: Path | None = None
) -> list[Shard]:
    """The shards of ``find_sources``."""
    return find_sources(sources, config, unpack_to).shards


def find_sources(
    sources: Sequence[str | Path], config: InputConfig = DEFAULTS, unpack_to: Path | None = None
) -> Sources:
    """Everything in ``sources``. What can't be read one by one will be unpacked to ``unpack_to``, else to a
    folder that goes with the process.

    Raises UsageError where a source isn't there, has a path that is not UTF-8, or is nothing that can be one,
    where two sources give two images one key, and where no image and no archive is found at all; SetupError
    where pyarrow is missing for a Parquet file, where what reads a URL is missing, or where object storage
    can't be reached.
    """
    found = _Found(config, unpack_to or Path(temporary_folder().name), several=len(sources) > 1)
    for source in sources:
        found.add_source(in_full(source))
    shards = found.open_archives()
    loose = LooseFiles(found.roots, found.unreadable, found.listed)
    found.refuse_shared_keys(loose.images)
    _refuse_no_images(sources, shards, loose)
    shards = sorted([*shards, *loose.shards()], key=lambda shard: shard.name)
    return Sources(shards, found.junk)


class _Found:
    """All files of all sources. The root of a file is that which its key is a path below."""

    def __init__(self, config: InputConfig, unpack_to: Path, *, several: bool) -> None:
        self._config, self._unpack_to = config, unpack_to
        self._chosen = PathFilter(config.include, config.exclude)
        self._several = several
        self.roots: dict[str, str] = {}
        """Of loose files, by key."""
        self.unreadable: dict[str, str] = {}
        """Those of them that are no images, with the reason."""
        self.listed: dict[str, SizeAndTime] = {}
        """Size and time of loose files, as far as listing has told them."""
        self.junk = 0
        self._archives: dict[str, tuple[str, SourceKind, SizeAndTime | None]] = {}
        """Root, kind and what listing has told, by path below it."""
        self._holding: dict[str, tuple[str, Sequence[Shard]]] = {}
        """The archives that may hold images: path and shards of each, by what its keys begin with."""
        self._named: set[str] = set()
        """All that was found in the sources before, if there are several, by its real path."""

    def add_source(self, source: str) -> None:
        """Take in its files. One that an earlier source named as well is the same file."""
        refuse_unless_utf_8(source)
        named: set[str] = set()
        is_alone = not is_folder(source)
        files = list_source(source, self._chosen)
        may_be_far = is_url(source) or source.lower().endswith(LIST_SUFFIXES)
        for listed, kind in map_ahead(_kind_of, files, is_slow=may_be_far):
            if listed.says is Says.JUNK:
                self.junk += 1
                continue
            if self._several:
                real = _real_path(f"{listed.root}/{listed.path}")
                named.add(real)
                if real in self._named:
                    continue
            self._add(listed, kind, alone=is_alone and listed.path == os.path.basename(source))
        self._named |= named

    def _add(self, listed: Listed, kind: SourceKind | str | None, *, alone: bool) -> None:
        """Take in a file. ``alone``: it was named by itself."""
        root, (key, _) = listed.root, usable_key(listed.path)
        is_left_out = self._chosen != EVERYTHING and self._chosen.leaves_out(key)
        if isinstance(kind, SourceKind):
            if kind is PARQUET and is_left_out:  # its rows have no names that could be chosen
                return
            self._add_archive(root, key, kind, listed.size_and_time)
        elif is_left_out:
            return
        elif kind is None:
            refuse_other(key, root, self.roots.setdefault(key, root))
            if listed.size_and_time is not None:
                self.listed[key] = listed.size_and_time
        elif alone:
            raise UsageError(f"source {root}/{key} is no source ({kind}); {EXPECTED}")
        else:
            self._add_other(root, key, kind)

    def _add_archive(self, root: str, path: str, kind: SourceKind, size_and_time: SizeAndTime | None) -> None:
        if len(path.rpartition("/")[2].encode()) > MAX_NAME_BYTES:
            raise UsageError(
                f"{root}/{path}: the name has more than {MAX_NAME_BYTES} bytes; give it a shorter one"
            )
        if is_loose_name(without_suffix(path)):
            raise UsageError(
                f"{root}/{path} is called as Triptych calls its shards of loose files; rename it"
            )
        refuse_other(path, root, self._archives.setdefault(path, (root, kind, size_and_time))[0])

    def _add_other(self, root: str, key: str, reason: str) -> None:
        """Take in a file that is no image. Where another source has one at this path, too, its key is its
        path from the top."""
        if self.roots.get(key, root) != root:
            root, key = "/", f"{root}/{key}"[1:]
        self.roots[key], self.unreadable[key] = root, reason

    def open_archives(self) -> list[Shard]:
        """The shards of the archives; one without images is a file that is none.

        Raises UsageError where two that may hold images would share keys.
        """
        shards: list[Shard] = []
        holding: dict[str, list[tuple[Archive, Sequence[Shard]]]] = {}
        for kind in SOURCE_KINDS:
            archives = [
                self._archive(path) for path, (_, its_kind, _) in self._archives.items() if its_kind is kind
            ]
            for archive, opened in zip(archives, kind.open(archives), strict=True):
                if isinstance(opened, str):
                    self._add_other(self._archives[archive.key][0], archive.key, opened)
                elif all(isinstance(shard, UnreadableArchive) for shard in opened):
                    shards += opened
                else:
                    holding.setdefault(archive.name, []).append((archive, opened))
        for alike in holding.values():
            shards += self._of_one_name(alike)
        return shards

    def _archive(self, path: str) -> Archive:
        root, _, known = self._archives[path]
        full = f"{root}/{path}"
        size_and_time = known or size_and_time_of(full)
        return Archive(without_suffix(path), path, full, self._config, self._unpack_to, size_and_time)

    def _of_one_name(self, alike: Sequence[tuple[Archive, Sequence[Shard]]]) -> list[Shard]:
        """The shards of archives that are called alike but for their suffix: of the one that holds images.
        Others, with annotations, are a record each."""
        with_images = [each for each in alike if len(alike) == 1 or not hold_no_images(each[1])]
        (one, shards), *others = with_images or alike[:1]
        self._holding[one.name] = one.key, shards
        root = self._archives[one.key][0]
        for other, _ in others:
            refuse_other(other.key, self._archives[other.key][0], root, one.key)
        reason = "empty archive: it holds no image that is read"
        return [*shards, *(UnreadableArchive(other, reason) for other, _ in alike if other is not one)]

    def refuse_shared_keys(self, images: Sequence[str]) -> None:
        """Raise UsageError where one of the loose ``images``, sorted, or a member of another archive, could
        have the key of a member."""
        has_images = cache(lambda name: not hold_no_images(self._holding[name][1]))
        for name, (path, _) in self._holding.items():
            above = name
            while above := above.rpartition("/")[0]:
                if above in self._holding and has_images(above) and has_images(name):
                    other = self._holding[above][0]
                    refuse_shared(self._archives[other][0], other, self._archives[path][0], path)
            at = bisect.bisect_left(images, f"{name}/")
            if at < len(images) and images[at].startswith(f"{name}/") and has_images(name):
                refuse_shared(self._archives[path][0], path, self.roots[images[at]], images[at])


def _kind_of(listed: Listed) -> tuple[Listed, SourceKind | str | None]:
    """What a file is (see source_kinds.recognise). Junk isn't looked into."""
    key, unusable = usable_key(listed.path)
    why_none = listed.unreadable or unusable
    if why_none is not None or listed.says is Says.JUNK:
        return listed, why_none
    path = f"{listed.root}/{key}"
    try:
        return listed, recognise(path, listed.says)
    except UnreachableError as error:
        if not is_web(path):
            raise
        return listed, f"read error: {error}"


def _real_path(path: str) -> str:
    """Without links; of a URL its place. Of a file that is no link itself, its folder's is looked up once."""
    if is_url(path):
        return place_of(path)
    folder, name = os.path.split(path)
    return os.path.realpath(path) if os.path.islink(path) else f"{_real_folder(folder)}/{name}"


_real_folder = lru_cache(maxsize=4096)(os.path.realpath)


def _refuse_no_images(sources: Sequence[str | Path], shards: Sequence[Shard], loose: LooseFiles) -> None:
    """That archives are damaged is no reason to stop; that there is none and no image is one."""
    if shards or loose.images:
        return
    found = "; ".join(sorted(set(loose.reasons))[:3])
    named = ", ".join(map(str, sources))
    raise UsageError(f"no images in {named}{'; found ' if found else ''}{found}; {EXPECTED}")
