"""What lies on a disk after a crash: changes replayed up to a moment, with or without what was not synced.

Comes in: changes in their order. Goes out: a folder. A kill leaves what was changed; of a power cut there are
three models:

- ext4, ordered: names change in order, up to some moment after the last fsync of anything; of a file that was
  not synced since, what was written is there or not.
- strict: a file has what it had at its own last fsync, a folder the names that it had at its own.
- any order: as strict, and of the names and bytes that were not synced any may be there.

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


class Node:
    """A file, as it is in memory and as it is on disk."""

    def __init__(self) -> None:
        self.live = bytearray()
        self.durable = b""


class Folder:
    """A folder, likewise."""

    def __init__(self) -> None:
        self.live: dict[str, Node | Folder] = {}
        self.durable: dict[str, Node | Folder] = {}


class Disk:
    """One folder, its own entry on disk."""

    def __init__(self, changes: Sequence[Change] = ()) -> None:
        self.root = Folder()
        for change in changes:
            self.make(change)

    def make(self, change: Change) -> None:
        """As the file system does."""
        if change.path == NAMELESS and change.kind != "link":
            return
        if change.kind == "sync folder":
            folder = self._folder(change.path)
            folder.durable = dict(folder.live)
            return
        above, name = self._above(change.path)
        match change.kind:
            case "open":
                node = above.live.setdefault(name, Node())
                assert isinstance(node, Node)
                _resize(node, change.at)
            case "write":
                node = self._file(change.path)
                _resize(node, max(len(node.live), change.at))
                node.live[change.at : change.at + len(change.data)] = change.data
            case "sync":
                node = self._file(change.path)
                node.live[:] = change.data  # also what came through a map
                node.durable = change.data
            case "truncate":
                _resize(self._file(change.path), change.at)
            case "allocate":
                node = self._file(change.path)
                _resize(node, max(len(node.live), change.at))
            case "rename":
                to, new = self._above(change.other)
                to.live[new] = above.live.pop(name)
            case "unlink" | "rmdir":
                del above.live[name]
            case "mkdir":
                above.live[name] = Folder()
            case _:
                raise ValueError(f"{change} is not known to the model of a disk")

    def files(self) -> Iterator[tuple[str, Node]]:
        """All that have a name now, with it."""
        yield from _files(self.root, "")

    def write_to(self, target: Path) -> None:
        """As a kill leaves it."""
        _write(self.root, target, lambda folder: folder.live, lambda node: bytes(node.live))

    def write_durable_to(self, target: Path) -> None:
        """As the strict model has it after a power cut."""
        _write(self.root, target, lambda folder: folder.durable, lambda node: node.durable)

    def write_any_of_to(self, target: Path, rng: random.Random) -> None:
        """The same with some of what was not synced."""

        def names(folder: Folder) -> dict[str, Node | Folder]:
            chosen = dict(folder.durable)
            for name in sorted(folder.live.keys() | folder.durable.keys()):
                if folder.live.get(name) is not folder.durable.get(name) and rng.random() < 0.5:
                    chosen.pop(name, None)
                    if name in folder.live:
                        chosen[name] = folder.live[name]
            return chosen

        _write(self.root, target, names, lambda node: _some_of(node, rng))

    def write_synced_files_to(self, target: Path, rng: random.Random) -> None:
        """All names, and of each file what was synced or all of it."""
        _write(self.root, target, lambda folder: folder.live, lambda node: _some_of(node, rng))

    def _folder(self, path: str) -> Folder:
        found: Node | Folder = self.root
        for part in PurePosixPath(path).parts:
            assert isinstance(found, Folder)
            found = found.live[part]
        assert isinstance(found, Folder)
        return found

    def _above(self, path: str) -> tuple[Folder, str]:
        pure = PurePosixPath(path)
        return self._folder(str(pure.parent)), pure.name

    def _file(self, path: str) -> Node:
        above, name = self._above(path)
        node = above.live[name]
        assert isinstance(node, Node)
        return node


def after_power_cut(kind: str, changes: Sequence[Change], seed: str, target: Path) -> None:
    """Write to ``target`` what ``changes`` leave when the power goes after the last of them."""
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


def _some_of(node: Node, rng: random.Random) -> bytes:
    """What is synced, or all, or, where it has only grown, something between."""
    live = bytes(node.live)
    choice = rng.randrange(3)
    if choice == 0:
        return node.durable
    if choice == 1 and live.startswith(node.durable):
        return live[: rng.randint(len(node.durable), len(live))]
    return live


def _resize(node: Node, size: int) -> None:
    if size <= len(node.live):
        del node.live[size:]
    else:
        node.live.extend(bytes(size - len(node.live)))


def _files(folder: Folder, above: str) -> Iterator[tuple[str, Node]]:
    for name, each in sorted(folder.live.items()):
        if isinstance(each, Folder):
            yield from _files(each, f"{above}{name}/")
        else:
            yield f"{above}{name}", each


def _write(folder: Folder, target: Path, names, content) -> None:  # type: ignore[no-untyped-def]
    target.mkdir(exist_ok=True)
    for name, each in names(folder).items():
        if isinstance(each, Folder):
            _write(each, target / name, names, content)
        else:
            (target / name).write_bytes(content(each))


def tree_of(folder: Path) -> dict[str, bytes | None]:
    """Every file below ``folder`` with its bytes, every folder with None."""
    return {
        os.path.relpath(path, folder): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
