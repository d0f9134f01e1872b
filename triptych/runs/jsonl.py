"""Atomic file writes, and JSON and JSON Lines files.

Comes in: records, a path. Goes out: a file that appears under its name only when every byte is on disk;
records again, or a SetupError that names the damaged file and line. Not its job: append-only files (see
journal).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.runs.checksums import is_intact, sealed_document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

PART_SUFFIX = ".part"
"""Suffix of a file that is still being written."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
"""Doesn't follow a link in the file's place: its target would be emptied."""

_SET_ASIDE = "the file was damaged or edited; `triptych repair` sets it aside, so that it is made again"

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are not JSON, not UTF-8, of another type, or nested too deeply."""

CHUNK_BYTES = 1024 * 1024
"""How much of a JSON Lines file is read at a time: enough for msgspec to be twice as fast as line by line,
and little compared to a shard."""


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary neighbour of ``path`` for writing; rename it to ``path`` on success.

    The bytes and the directory entry are synced before the block is left, so a crash leaves either
    the old state or the whole new file. On an exception the temporary file is removed.
    """
    make_folder(path.parent)
    part = path.with_name(path.name + PART_SUFFIX)
    try:
        with errors_naming(path), os.fdopen(os.open(part, _NEW_FILE, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def make_folder(path: Path) -> None:
    """Make ``path`` and its missing parents, and sync their directory entries.

    The entry of an existing empty folder is synced too, as a crash may have come before its sync. A parent
    that may not be listed isn't synced.
    """
    try:
        path.mkdir()
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
    except FileExistsError:
        with os.scandir(path) as entries:
            if next(entries, None) is not None:
                return
    with contextlib.suppress(PermissionError):
        sync_directory(path.parent)


@contextlib.contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """Add ``path`` to an OSError that names no file, such as of a write to a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def sync_directory(path: Path) -> None:
    """Make renames and new files inside ``path`` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_jsonl(path: Path, records: Iterable[msgspec.Struct]) -> int:
    """Write one record per line, whole or not at all. Returns how many."""
    encoder = msgspec.json.Encoder()
    count = 0
    with written_whole(path) as file:
        for record in records:
            file.write(encoder.encode(record) + b"\n")
            count += 1
    return count


def write_json(path: Path, value: object) -> None:
    """Write one indented JSON document, whole or not at all."""
    with written_whole(path) as file:
        file.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_sealed(path: Path, value: object) -> None:
    """Write one indented JSON document with a checksum, whole or not at all."""
    with written_whole(path) as file:
        file.write(sealed_document(msgspec.json.format(msgspec.json.encode(value), indent=2)))


def read_json(path: Path, kind: type[T], what_to_do: str, *, is_sealed: bool = False) -> T:
    """Read one JSON document. ``is_sealed``: it was written by ``write_sealed``.

    Raises SetupError, which ends with ``what_to_do``, if it is damaged; FileNotFoundError if it is missing.
    """
    content = path.read_bytes()
    if is_sealed and not is_intact(content):
        raise SetupError(f"{path} is damaged: its checksum doesn't fit; {what_to_do}", path=path)
    try:
        return msgspec.json.decode(content, type=kind)
    except UNDECODABLE as error:
        raise SetupError(f"{path} is damaged: {error}; {what_to_do}", path=path) from None


def read_jsonl(path: Path, kind: type[T], chunk_bytes: int = CHUNK_BYTES) -> Iterator[T]:
    """The records of a JSON Lines file, in order. ``chunk_bytes`` of it are in memory at a time.

    Raises SetupError if the file is missing, and for a line that is not a ``kind``.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SetupError(f"{path} is missing; `triptych run` makes it again", path=path) from None
    decoder, lines_before = msgspec.json.Decoder(kind), 0
    with file, damage_as_setup_error(path, _SET_ASIDE):
        for chunk in _whole_lines(file, chunk_bytes):
            yield from _decoded(chunk, decoder, lines_before=lines_before)
            lines_before += chunk.count(b"\n")


def read_whole_jsonl(path: Path, kind: type[T]) -> list[T]:
    """All records of a JSON Lines file: twice as fast as ``read_jsonl``, with the whole file in memory."""
    with damage_as_setup_error(path, _SET_ASIDE):
        return decode_all(path.read_bytes(), kind)


def read_placed_jsonl(path: Path, kind: type[T]) -> tuple[list[T], NDArray[np.int64]]:
    """All records of a JSON Lines file, the offsets of their lines, and last the file's length."""
    import numpy as np  # not needed by every command

    content = path.read_bytes()
    with damage_as_setup_error(path, _SET_ASIDE):
        records = decode_all(content, kind)
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
    return records, np.concatenate([[0], ends + 1])


@contextlib.contextmanager
def damage_as_setup_error(path: Path, what_to_do: str) -> Iterator[None]:
    """Turn a DamagedLineError inside into a SetupError that ends with ``what_to_do``."""
    try:
        yield
    except DamagedLineError as damage:
        raise SetupError(f"{path}, {damage}; {what_to_do}", path=path) from None


class DamagedLineError(Exception):
    """A line that isn't what its file should have: ``line N: expected ..., found ...``."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"line {number}: {what}")
        self.what = what


def decode_all(content: bytes, kind: type[T], *, are_sealed: bool = False) -> list[T]:
    """The records of the JSON Lines in ``content``, decoded together, which is faster than one by one.

    Raises DamagedLineError at the first line that is not a ``kind`` or has a wrong checksum.
    """
    return list(_decoded(content, msgspec.json.Decoder(kind), are_sealed))


def _decoded(
    content: bytes, decoder: msgspec.json.Decoder[T], are_sealed: bool = False, lines_before: int = 0
) -> Iterable[T]:
    """Decode all records at once; if that fails, one by one up to the damaged line."""
    if not are_sealed or is_intact(content):
        with contextlib.suppress(*UNDECODABLE):
            return decoder.decode_lines(content)
    lines = content.removesuffix(b"\n").split(b"\n")
    return (
        _decode_line(line, number, decoder, is_sealed=are_sealed)
        for number, line in enumerate(lines, lines_before + 1)
    )


def _whole_lines(file: IO[bytes], chunk_bytes: int) -> Iterator[bytes]:
    """The file in chunks that end with a newline, except perhaps the last one."""
    rest = b""
    while block := file.read(chunk_bytes):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield rest + block[:cut]
            rest = block[cut:]
        else:
            rest += block
    if rest:
        yield rest


def _decode_line(line: bytes, number: int, decoder: msgspec.json.Decoder[T], *, is_sealed: bool) -> T:
    if is_sealed and not is_intact(line + b"\n"):
        raise DamagedLineError(number, "its checksum doesn't fit")
    try:
        return decoder.decode(line)
    except UNDECODABLE as error:
        name = getattr(decoder.type, "__name__", "record").lstrip("_")
        raise DamagedLineError(number, f"expected JSON of the type {name}, found {error}") from None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_files(root: Path, paths: Iterable[Path]) -> str:
    """One SHA-256, in hex, over the names (relative to ``root``) and bytes of ``paths``, in any order."""
    return digest_of_hashes({path.relative_to(root).as_posix(): sha256_of(path) for path in paths})


def digest_of_hashes(hashes: Mapping[str, str]) -> str:
    """``digest_of_files`` for files whose SHA-256 is known, by name."""
    digest = hashlib.sha256()
    for name in sorted(hashes):
        digest.update(f"{name}\0{hashes[name]}\n".encode())
    return digest.hexdigest()
