"""Where images come from: folders and tars, as shards of files with stable keys.

Comes in: the paths a user named. Goes out: shards, which list their members and read their bytes.
A folder may hold images and tars, nested. The key of an image is its path below the folder that was
named, a tar standing for a folder of its own name: ``sub/sa_000000.tar`` with member ``sa_1.jpg``
gives ``sub/sa_000000/sa_1.jpg``; a tar named by itself gives ``sa_000000/sa_1.jpg``. Originals are
never copied or changed. Not its job: decoding (see pixels).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from corpus.errors import UsageError
from corpus.found import FoundFile, is_sidecar, why_not_an_image
from corpus.tars import TarShard

FILES_PER_SHARD = 4096


class Shard(Protocol):
    """A bounded number of files that are worked on, resumed and distributed together."""

    @property
    def name(self) -> str:
        """Unique in a run; what the shard's files in the run folder are called."""

    def fingerprint(self) -> str:
        """Changes when files were added, removed or resized."""

    def files(self) -> Iterator[FoundFile]:
        """Every file, in key order for folders and in archive order for tars."""

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one image found before. Raises OSError if it is gone."""


class FolderShard:
    """Up to FILES_PER_SHARD files that lie in folders."""

    def __init__(self, name: str, paths: Mapping[str, Path]) -> None:
        """``paths`` maps keys, in order, to the files."""
        self.name = name
        self._paths = paths

    def fingerprint(self) -> str:
        return "\n".join(f"{key}\t{_size_of(path)}" for key, path in self._paths.items())

    def files(self) -> Iterator[FoundFile]:
        for key, path in self._paths.items():
            reason = why_not_an_image(key)
            if reason is not None:
                yield FoundFile(key=key, unreadable=reason)
                continue
            try:
                yield FoundFile(key=key, content=path.read_bytes())
            except OSError as error:
                yield FoundFile(key=key, unreadable=f"read error: {error.strerror}")

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        if key not in self._paths:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return self._paths[key].read_bytes()


def open_sources(sources: Sequence[Path]) -> list[Shard]:
    """The shards of everything in ``sources``, sorted by name.

    Raises UsageError where a source isn't there or is neither a folder nor a tar, where two sources
    give two files one key, and where no image and no tar is found at all.
    """
    tars: dict[str, Path] = {}
    files: dict[str, Path] = {}
    for source in sources:
        for key, path in _found_in(source):
            claimed = tars if path.suffix == ".tar" else files
            if key in claimed:
                raise UsageError(
                    f"{claimed[key]} and {path} would both get the key {key};"
                    " name one folder above both as the source, so that keys stay unique"
                )
            claimed[key] = path
    for folder in {os.path.dirname(key) for key in files} & tars.keys():
        raise UsageError(f"{tars[folder]} and the folder beside it would share keys; rename one of them")
    if not tars and not any(why_not_an_image(key) is None for key in files):
        raise UsageError(
            f"no images in {', '.join(map(str, sources))};"
            " expected files such as .jpg or .png, or .tar files, at any depth"
        )
    shards: list[Shard] = [TarShard(name, path) for name, path in tars.items()]
    keys = sorted(files)
    for start in range(0, len(keys), FILES_PER_SHARD):
        name = f"files-{start // FILES_PER_SHARD:05d}"
        shards.append(FolderShard(name, {key: files[key] for key in keys[start : start + FILES_PER_SHARD]}))
    return sorted(shards, key=lambda shard: shard.name)


def _found_in(source: Path) -> Iterator[tuple[str, Path]]:
    """``(key, path)`` of each tar (its key without the suffix) and each file that isn't a sidecar."""
    if source.is_file() and source.suffix == ".tar":
        yield source.stem, source.absolute()
        return
    if not source.is_dir():
        found = "neither a folder nor a .tar file" if source.exists() else "not there"
        raise UsageError(f"source {source} is {found}; expected a folder of images or tars, or a .tar file")
    root = source.absolute()
    for folder, subfolders, names in os.walk(root, onerror=_refuse):
        subfolders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            key = path.relative_to(root).as_posix()
            if path.suffix == ".tar":
                yield key.removesuffix(".tar"), path
            elif not is_sidecar(name):
                yield key, path


def _size_of(path: Path) -> int | None:
    """In bytes; None for a link to nothing and for a file that has just gone."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _refuse(error: OSError) -> None:
    raise UsageError(f"can't list {error.filename}: {error.strerror}; make it readable or leave it out")
