"""The content of a disk after a crash: changes replayed up to a moment, with or without unsynced ones.

Comes in: changes in order. Goes out: a folder. After a kill, all changes are there. After a power cut, it
depends on the file system, for which there are three models:

- ext4, ordered: names change in order, up to some moment after the last fsync of any file; data written to a
  file after its own last fsync may be there or not.
- strict: a file has its content at its own last fsync, a folder its names at its own last fsync.
- any order: as strict, but any of the names and bytes that were not synced may be there too.

Not its job: making changes (see changes).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from tests.crash.changes import NAMELESS, Change

ORDERED, STRICT, ANY_ORDER = "power cut, ext4", "power cut, strict", "power cut, any order"
POWER_CUTS = (ORDERED, STRICT, ANY_ORDER)


class File:
    """A file: its content now (``live``), and at its last fsync (``durable``)."""

    def __init__(self) -> None:
        self.live = bytearray()
        self.durable = b""


class Folder:
    """A folder: its names now (``live``), and at its last fsync (``durable``)."""

    def __init__(self) -> None:
        self.live: dict[str, File | Folder] = {}
        self.durable: dict[str, File | Folder] = {}


class Disk:
    """The watched folder after ``changes``. Its own entry is always durable."""

    def __init__(self, changes: Sequence[Change] = ()) -> None:
        self.root = Folder()
        for change in changes:
            self.apply(change)

    def apply(self, change: Change) -> None:
        """Apply ``change`` as the file system does."""
        if change.path == NAMELESS and change.kind != "link":
            return
        if change.kind == "sync folder":
            folder = self._folder(change.path)
            folder.durable = dict(folder.live)
            return
        parent, name = self._parent(change.path)
        match change.kind:
            case "open":
                file = parent.live.setdefault(name, File())
                assert isinstance(file, File)
                _resize(file, change.at)
            case "write":
                file = self._file(change.path)
                _resize(file, max(len(file.live), change.at))
                file.live[change.at : change.at + len(change.data)] = change.data
            case "sync":
                file = self._file(change.path)
                file.live[:] = change.data  # includes stores to a memory map
                file.durable = change.data
            case "truncate":
                _resize(self._file(change.path), change.at)
            case "allocate":
                file = self._file(change.path)
                _resize(file, max(len(file.live), change.at))
            case "rename":
                to, new = self._parent(change.other)
                to.live[new] = parent.live.pop(name)
            case "unlink" | "rmdir":
                del parent.live[name]
            case "mkdir":
                parent.live[name] = Folder()
            case _:
                raise ValueError(f"{change} is not known to the model of a disk")

    def files(self) -> Iterator[tuple[str, File]]:
        """The path and the file of every name there is now."""
        yield from _files(self.root, "")

    def write_to(self, target: Path) -> None:
        """Write the folder as a kill leaves it."""
        _write(self.root, target, lambda folder: folder.live, lambda file: bytes(file.live))

    def write_durable_to(self, target: Path) -> None:
        """Write the folder as the strict model has it after a power cut."""
        _write(self.root, target, lambda folder: folder.durable, lambda file: file.durable)

    def write_any_of_to(self, target: Path, rng: random.Random) -> None:
        """Write the folder as the strict model has it, plus some of what was not synced."""

        def names(folder: Folder) -> dict[str, File | Folder]:
            chosen = dict(folder.durable)
            for name in sorted(folder.live.keys() | folder.durable.keys()):
                if folder.live.get(name) is not folder.durable.get(name) and rng.random() < 0.5:
                    chosen.pop(name, None)
                    if name in folder.live:
                        chosen[name] = folder.live[name]
            return chosen

        _write(self.root, target, names, lambda file: _some_of(file, rng))

    def write_synced_files_to(self, target: Path, rng: random.Random) -> None:
        """Write all names, and of each file what was synced and perhaps more."""
        _write(self.root, target, lambda folder: folder.live, lambda file: _some_of(file, rng))

    def _folder(self, path: str) -> Folder:
        found: File | Folder = self.root
        for part in PurePosixPath(path).parts:
            assert isinstance(found, Folder)
            found = found.live[part]
        assert isinstance(found, Folder)
        return found

    def _parent(self, path: str) -> tuple[Folder, str]:
        pure = PurePosixPath(path)
        return self._folder(str(pure.parent)), pure.name

    def _file(self, path: str) -> File:
        parent, name = self._parent(path)
        file = parent.live[name]
        assert isinstance(file, File)
        return file


def after_power_cut(kind: str, changes: Sequence[Change], seed: str, target: Path) -> None:
    """Write to ``target`` what is on disk if the power fails after the last of ``changes``."""
    rng = random.Random(seed)
    if kind == STRICT:
        Disk(changes).write_durable_to(target)
    elif kind == ANY_ORDER:
        Disk(changes).write_any_of_to(target, rng)
    else:
        last_sync = max(
            (at for at, change in enumerate(changes) if change.kind.startswith("sync")), default=-1
        )
        until = rng.randint(last_sync + 1, len(changes))
        Disk(changes[:until]).write_synced_files_to(target, rng)


def _some_of(file: File, rng: random.Random) -> bytes:
    """The synced content, all content, or something between if the file has only grown."""
    live = bytes(file.live)
    choice = rng.randrange(3)
    if choice == 0:
        return file.durable
    if choice == 1 and live.startswith(file.durable):
        return live[: rng.randint(len(file.durable), len(live))]
    return live


def _resize(file: File, size: int) -> None:
    if size <= len(file.live):
        del file.live[size:]
    else:
        file.live.extend(bytes(size - len(file.live)))


def _files(folder: Folder, prefix: str) -> Iterator[tuple[str, File]]:
    for name, each in sorted(folder.live.items()):
        if isinstance(each, Folder):
            yield from _files(each, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", each


def _write(folder: Folder, target: Path, names, content) -> None:  # type: ignore[no-untyped-def]
    target.mkdir(exist_ok=True)
    for name, each in names(folder).items():
        if isinstance(each, Folder):
            _write(each, target / name, names, content)
        else:
            (target / name).write_bytes(content(each))


def tree_of(folder: Path) -> dict[str, bytes | None]:
    """Every path below ``folder``, with the bytes of files, and None for folders."""
    return {
        os.path.relpath(path, folder): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
