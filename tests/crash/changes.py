"""Records every change that Python code makes below a folder, and can make any of them fail.

Comes in: a folder, optionally a fault. Goes out: the changes in order, each as a Change. Functions of ``os``
and ``open`` are patched in this process, so install it in a child process. It can't see stores to memory maps
(a mapped file is read at its next fsync), nor writes by C code such as ``numpy.tofile`` or faiss. If it
misses one, the replayed changes don't give the real folder (see disk). Changes to files without a name
(O_TMPFILE) can fail, but belong to no folder.
"""

from __future__ import annotations

import builtins
import io
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

T = TypeVar("T")

NAMELESS = ""
"""The path of a file that was created without a name."""


class Change(NamedTuple):
    """One change. Paths are relative to the watched folder."""

    kind: str
    """open (to write), write, sync, sync folder, rename, link, unlink, mkdir, rmdir, truncate or allocate."""
    path: str
    other: str = ""
    """The new name, for a rename or link."""
    data: bytes = b""
    """The bytes written; for the sync of a file, its whole content."""
    at: int = 0
    """The offset of a write; the file's size after an open or truncation, its minimum after an allocation."""
    is_new: bool = False
    """For an open: whether it created the file."""

    def __str__(self) -> str:
        return f"{self.kind} {self.path or 'a file without a name'}{self.other and ' to '}{self.other}"


class Fault:
    """Intercepts changes. This base class lets all of them happen."""

    def intercept(self, number: int, change: Change, write: Callable[[bytes], int] | None) -> int | None:
        """Called before change ``number`` (from 0) is made. ``write`` writes to the file, if it is a write.

        May raise OSError or end the process. If it returns a number, the change is not made, and that many
        bytes count as written.
        """
        return None


class Watch:
    """Records the changes below ``root``, each of which ``fault`` may intercept."""

    def __init__(self, root: Path, fault: Fault | None = None, *, with_data: bool = False) -> None:
        self._root = f"{root.resolve()}/"
        self._fault = fault or Fault()
        self._with_data = with_data
        self._lock = threading.RLock()
        self._real = {name: getattr(os, name) for name in ("open", "readlink")}
        self._real_open = io.open
        self.changes: list[Change] = []

    def install(self) -> None:
        """Start watching, until this process ends."""
        for name in ("rename", "replace"):
            setattr(os, name, self._two_names("rename", getattr(os, name)))
        for name in ("link", "symlink"):
            setattr(os, name, self._two_names("link", getattr(os, name)))
        for name, kind in (
            ("unlink", "unlink"),
            ("remove", "unlink"),
            ("mkdir", "mkdir"),
            ("rmdir", "rmdir"),
        ):
            setattr(os, name, self._one_name(kind, getattr(os, name)))
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._sync(getattr(os, name)))
        for name in ("truncate", "ftruncate"):
            setattr(os, name, self._truncate(getattr(os, name)))
        os.posix_fallocate = self._allocate(os.posix_fallocate)
        for name in ("write", "pwrite"):
            setattr(os, name, self._write(getattr(os, name)))
        os.open = self._os_open  # type: ignore[assignment]
        io.open = builtins.open = self._open  # type: ignore[assignment]

    def make(self, change: Change, do: Callable[[], T], write: Callable[[bytes], int] | None = None) -> T:
        """Make ``change`` by calling ``do``, unless the fault intercepts it, and record it."""
        with self._lock:
            instead = self._fault.intercept(len(self.changes), change, write)
            done: Any = do() if instead is None else instead
            if change.kind == "write" and self._with_data:
                change = change._replace(data=change.data[:done])
            self.changes.append(change if self._with_data else change._replace(data=b""))
            return done  # type: ignore[no-any-return]

    # -- names ------------------------------------------------------------------------------------

    def path_of(self, name: Any, dir_fd: int | None = None) -> str | None:
        """The path relative to the root; NAMELESS for a file without a name; None outside the root."""
        if isinstance(name, int):
            found = self._real["readlink"](f"/proc/self/fd/{name}")
            if found.endswith(" (deleted)"):
                return NAMELESS if found.startswith(self._root) else None
        else:
            folder = None if dir_fd is None else self._real["readlink"](f"/proc/self/fd/{dir_fd}")
            found = os.path.normpath(os.path.join(folder or os.getcwd(), os.fsdecode(name)))  # noqa: PTH109
        if f"{found}/" == self._root:
            return "."
        return found.removeprefix(self._root) if found.startswith(self._root) else None

    # -- functions of os --------------------------------------------------------------------------

    def _one_name(self, kind: str, real: Callable[..., T]) -> Callable[..., T]:
        def watched(name: Any, *args: Any, dir_fd: int | None = None, **kwargs: Any) -> T:
            path = self.path_of(name, dir_fd)
            if path is None:
                return real(name, *args, dir_fd=dir_fd, **kwargs)
            return self.make(Change(kind, path), lambda: real(name, *args, dir_fd=dir_fd, **kwargs))

        return watched

    def _two_names(self, kind: str, real: Callable[..., T]) -> Callable[..., T]:
        def watched(name: Any, new: Any, *args: Any, **kwargs: Any) -> T:
            path, other = self.path_of(name), self.path_of(new)
            if other is None:
                return real(name, new, *args, **kwargs)
            return self.make(Change(kind, path or "", other), lambda: real(name, new, *args, **kwargs))

        return watched

    def _sync(self, real: Callable[[int], None]) -> Callable[[Any], None]:
        def watched(file: Any) -> None:
            descriptor = file if isinstance(file, int) else file.fileno()
            path = self.path_of(descriptor)
            if path is None:
                return real(descriptor)
            is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
            data = self._content(path) if is_file and path and self._with_data else b""
            kind = "sync" if is_file else "sync folder"
            return self.make(Change(kind, path, data=data), lambda: real(descriptor))

        return watched

    def _truncate(self, real: Callable[[Any, int], None]) -> Callable[[Any, int], None]:
        def watched(file: Any, size: int) -> None:
            path = self.path_of(file)
            if path is None:
                return real(file, size)
            return self.make(Change("truncate", path, at=size), lambda: real(file, size))

        return watched

    def _allocate(self, real: Callable[[int, int, int], None]) -> Callable[[int, int, int], None]:
        def watched(descriptor: int, offset: int, size: int) -> None:
            path = self.path_of(descriptor)
            if path is None:
                return real(descriptor, offset, size)
            return self.make(
                Change("allocate", path, at=offset + size), lambda: real(descriptor, offset, size)
            )

        return watched

    def _write(self, real: Callable[..., int]) -> Callable[..., int]:
        def watched(descriptor: int, data: Any, *at: int) -> int:
            path = self.path_of(descriptor) if descriptor > 2 else None
            if path is None:
                return real(descriptor, data, *at)
            where = at[0] if at else os.lseek(descriptor, 0, os.SEEK_CUR)
            change = Change("write", path, data=bytes(data), at=where)
            return self.make(
                change, lambda: real(descriptor, data, *at), lambda some: real(descriptor, some, *at)
            )

        return watched

    def _os_open(self, name: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        def do() -> int:
            return self._real["open"](name, flags, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]

        path = self.path_of(name, dir_fd)
        if path is None or flags & os.O_ACCMODE == os.O_RDONLY:
            return do()
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            return self.make(Change("open", NAMELESS, is_new=True), do)
        return self.make(self._opening(path, is_emptied=bool(flags & os.O_TRUNC)), do)

    # -- files ------------------------------------------------------------------------------------

    def _open(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> IO[Any]:
        path = None if set(mode).isdisjoint("wax+") else self.path_of(file)
        if path is None:
            return self._real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)

        def do() -> _WatchedFile:
            return _WatchedFile(self, file, mode.replace("b", "").replace("t", ""), closefd, opener)

        if isinstance(file, int) or opener is not None:  # os.open has recorded it
            raw = do()
        else:
            raw = self.make(self._opening(path, is_emptied="w" in mode), do)
        if "b" in mode and buffering == 0:
            return raw  # type: ignore[return-value]
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        buffered: Any = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
        if "b" in mode:
            return buffered  # type: ignore[no-any-return]
        return io.TextIOWrapper(buffered, encoding, errors, newline)

    def _opening(self, path: str, *, is_emptied: bool) -> Change:
        try:
            size = os.stat(self._root + path).st_size  # noqa: PTH116
        except FileNotFoundError:
            return Change("open", path, is_new=True)
        return Change("open", path, at=0 if is_emptied else size)

    def _content(self, path: str) -> bytes:
        with self._real_open(self._root + path, "rb") as file:
            return file.read()


class _WatchedFile(io.FileIO):
    """The raw file below Python's buffers: records its writes and truncations."""

    def __init__(self, watch: Watch, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        super().__init__(file, mode, closefd, opener)
        self._watch = watch
        self._appends = "a" in mode

    def write(self, data: Any) -> int:
        path = self._watch.path_of(self.fileno())
        if path is None:
            return super().write(data)
        at = os.fstat(self.fileno()).st_size if self._appends else self.tell()
        change = Change("write", path, data=bytes(data), at=at)
        return self._watch.make(change, lambda: super(_WatchedFile, self).write(data), super().write)

    def truncate(self, size: int | None = None) -> int:
        path = self._watch.path_of(self.fileno())
        size = self.tell() if size is None else size
        if path is None:
            return super().truncate(size)
        return self._watch.make(
            Change("truncate", path, at=size), lambda: super(_WatchedFile, self).truncate(size)
        )
