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
from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.errors import UsageError
from triptych.sources.config import InputConfig
from triptych.sources.listing import list_source
from triptych.sources.loose_files import LOOSE_PREFIX, LooseFiles
from triptych.sources.shard import Shard, UnreadableArchive, usable_key, why_not_an_image
from triptych.sources.source_kinds import ARCHIVE_SUFFIXES, SOURCE_KINDS

DEFAULTS = InputConfig()

MAX_NAME_BYTES = 200
"""Of an archive, as its shard's files have its name and a longer suffix; file systems allow 255."""


def open_sources(sources: Sequence[Path], config: InputConfig = DEFAULTS) -> list[Shard]:
    """The shards of everything in ``sources``, sorted by name.

    Raises UsageError where a source isn't there or is nothing that can be one, where two sources give two
    files one key, and where no image and no archive is found at all; SetupError where pyarrow is missing
    for a Parquet file.
    """
    found = _Found()
    for source in sources:
        for root, path, unreadable in list_source(source):
            found.add(root, path, unreadable)
    loose = LooseFiles(found.files, found.unreadable)
    found.refuse_shared_keys(loose.keys)
    shards: list[Shard] = []
    for name, (root, suffix) in found.archives.items():
        shards += SOURCE_KINDS[suffix].open(name, f"{root}/{name}{suffix}", config)
    _refuse_no_images(sources, shards, found.files)
    return sorted([*shards, *loose.shards()], key=lambda shard: shard.name)


class _Found:
    """All files of all sources. The root of a file is that which its key is a path below."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self.archives: dict[str, tuple[str, str]] = {}
        """Root and suffix of each, by its key without the suffix."""
        self.unreadable: dict[str, str] = {}

    def add(self, root: str, path: str, unreadable: str | None) -> None:
        """Take in a file. One that was named twice is the same file."""
        key, unusable = usable_key(path)
        unreadable = unreadable or unusable
        if unreadable is not None:
            self.unreadable[key] = unreadable
        elif key.endswith(ARCHIVE_SUFFIXES):
            self._add_archive(root, key)
            return
        _refuse_other(key, root, self.files.setdefault(key, root))

    def _add_archive(self, root: str, path: str) -> None:
        name, dot, ending = path.rpartition(".")
        if len(name.rpartition("/")[2].encode()) > MAX_NAME_BYTES:
            raise UsageError(
                f"{root}/{path}: the name has more than {MAX_NAME_BYTES} bytes; give it a shorter one"
            )
        if name.startswith(LOOSE_PREFIX):
            raise UsageError(
                f"{root}/{path} is called as Triptych calls its shards of loose files; rename it"
            )
        known, suffix = self.archives.setdefault(name, (root, dot + ending))
        _refuse_other(path, root, known, name + suffix)

    def refuse_shared_keys(self, keys: Sequence[str]) -> None:
        """Raise UsageError where one of the loose ``keys``, sorted, could be that of an archive's member."""
        for name, (root, suffix) in self.archives.items():
            at = bisect.bisect_left(keys, f"{name}/")
            if at < len(keys) and keys[at].startswith(f"{name}/"):
                raise UsageError(
                    f"{root}/{name}{suffix} and {self.files[keys[at]]}/{keys[at]} would share keys, as an"
                    " archive stands for a folder of its name; rename one, or name only one as a source"
                )


def _refuse_other(path: str, root: str, known_root: str, known_path: str | None = None) -> None:
    if (root, path) == (known_root, known_path or path):
        return
    known, found = Path(known_root, known_path or path), Path(root, path)
    if not (known.exists() and found.exists() and known.samefile(found)):
        raise UsageError(
            f"{known} and {found} would both get the key"
            f" {path if known_path is None else path.rpartition('.')[0]}; name one folder above both as the"
            " source, or a folder with a link to each, so that keys stay unique"
        )


def _refuse_no_images(sources: Sequence[Path], shards: Sequence[Shard], files: Mapping[str, str]) -> None:
    without = [
        shard.reason
        for shard in shards
        if isinstance(shard, UnreadableArchive)
        if "not an image" in shard.reason
    ]
    if len(without) < len(shards) or any(why_not_an_image(key) is None for key in files):
        return
    kinds = without or sorted({why_not_an_image(key) or "" for key in files})[:3]
    raise UsageError(
        f"no images in {', '.join(map(str, sources))}; expected files such as .jpg or .png, or"
        f" {', '.join(ARCHIVE_SUFFIXES)} files, at any depth{'; found ' if kinds else ''}{', '.join(kinds)}"
    )
