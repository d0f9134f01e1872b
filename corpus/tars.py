"""Tar archives as shards: SA-1B's bare ``sa_N.jpg`` + ``sa_N.json`` and any other plain tar.

Members are read by offset, so an image is found again without walking the archive. An archive that
is cut short gives what it holds whole, and one record that says where it ends. Not its job:
compressed tars, which can't be read by offset.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

from corpus.found import FoundFile, is_sidecar, why_not_an_image


class TarShard:
    """All members of one uncompressed tar. ``name`` is its key prefix."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path

    def fingerprint(self) -> str:
        return f"{self.name}.tar\t{self._path.stat().st_size}"

    def files(self) -> Iterator[FoundFile]:
        """Every member that isn't a sidecar, in archive order.

        A member name that comes again is listed as unreadable, as its key would not be unique.
        """
        seen: set[str] = set()
        try:
            with self._path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:") as archive:
                whole = self._path.stat().st_size
                end = 0
                for member in _members(archive):
                    if isinstance(member, str):
                        yield self._damage(member)
                        return
                    end = member.offset_data + member.size
                    if not member.isfile() or is_sidecar(member.name):
                        continue
                    key = f"{self.name}/{member.name.removeprefix('./')}"
                    reason = why_not_an_image(member.name)
                    if key in seen:
                        reason = "name twice: an earlier member of the archive has this name"
                        key = f"{key}#{member.offset_data}"
                    seen.add(key)
                    if end > whole:
                        reason = f"truncated archive: it ends at byte {whole}, this member at byte {end}"
                    if reason is not None:
                        yield FoundFile(key=key, unreadable=reason)
                        continue
                    raw.seek(member.offset_data)
                    content = raw.read(member.size)
                    yield FoundFile(key=key, content=content, offset_bytes=member.offset_data)
                if end >= whole:
                    yield self._damage(f"it ends at byte {whole} without an end mark; later members are lost")
        except tarfile.ReadError as error:
            yield self._damage(str(error))
        except OSError as error:
            yield FoundFile(key=f"{self.name}.tar", unreadable=f"read error: {error.strerror}")

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        """The bytes of one member found before. Raises OSError if they aren't there any more."""
        if offset_bytes is None:
            raise OSError(f"no offset known for {key} in {self._path}")
        with self._path.open("rb") as raw:
            raw.seek(offset_bytes)
            content = raw.read(size_bytes)
        if len(content) < size_bytes:
            raise OSError(f"{self._path} ends before the end of {key}")
        return content

    def _damage(self, what: str) -> FoundFile:
        return FoundFile(key=f"{self.name}.tar", unreadable=f"truncated archive: {what}")


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo | str]:
    """The members; at the end the reason, if the archive can't be walked further."""
    while True:
        try:
            member = archive.next()
        except tarfile.ReadError as error:
            yield str(error)
            return
        if member is None:
            return
        yield member
        archive.members = []  # type: ignore[attr-defined]  # else it keeps every header it has read
