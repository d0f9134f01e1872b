"""Zip archives as shards.

Comes in: a ``.zip``. Goes out: a shard. zipfile reads the directory; members are unpacked here by their
offset, so that reading an image again doesn't read the directory again. A member that is encrypted or damaged
is a record, and doesn't affect others. The unpacked size is limited by the size in the directory and by
MAX_FILE_BYTES, and members may not overlap, so that zip bombs are harmless. Not its job: other compression
than deflate, which no tool uses for images.
"""

from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from triptych.errors import SetupError
from triptych.sources.members import DamagedMemberError, LostMembers, Member, MembersShard
from triptych.sources.regular_files import MAX_FILE_BYTES, size_of

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

ENCRYPTED, UTF_8 = 0x1, 0x800
"""Flags of a member: its content is encrypted; its name is UTF-8."""

MEMBER_SIGNATURE = b"PK\x03\x04"

PART_SIGNATURE = b"PK\x07\x08"
"""At the beginning of a split archive's first file."""

END_SIGNATURE, MAX_END_BYTES = b"PK\x05\x06", 22 + 65535
"""The record at an archive's end, and its maximum size, with a comment."""

IN_ZIP64 = 0xFFFF
"""Marks a number that is in the ZIP64 record instead, which zipfile reads."""

UNICODE_PATH = 0x7075
"""A member's extra field: its name in UTF-8, and the checksum of the name that it replaces."""

HOW_TO_SAVE = "; `zip -FF` can save members"

SPLIT = "split archive: it has several files; join them with `zip -s 0 SPLIT.zip --out WHOLE.zip`"

_HEADER = struct.Struct("<4s5H3L2H")
"""A member's header: signature, version, flags, method, time, date, checksum, compressed and uncompressed
size, lengths of name and extra. Checksum and sizes are not used, as they may follow the member instead."""


class ZipShard(MembersShard):
    """All members of one zip."""

    def members(self, raw: IO[bytes], *, scan_past_damage: bool = True) -> Iterator[Member | LostMembers]:
        if not (head := raw.read(len(MEMBER_SIGNATURE))):
            return
        archive = self._open_zip(raw, head)
        if isinstance(archive, LostMembers):
            yield archive
            return
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        start, *ends = (*(info.header_offset for info in infos), archive.start_dir)
        if head == MEMBER_SIGNATURE and start > 0:
            what = f"its directory names nothing before byte {start}, as where two zips were joined"
            yield LostMembers(0, f"damaged archive: {what}{HOW_TO_SAVE}")
        for info, end in zip(infos, ends, strict=True):
            name = _name(info)
            yield Member(
                name=name,
                offset_bytes=info.header_offset,
                size_bytes=info.file_size,
                end_bytes=end,
                packed_bytes=info.compress_size,
                crc32=info.CRC,
                is_file=not name.endswith("/"),
                unreadable=_why_not_read(info, end),
            )

    def _open_zip(self, raw: IO[bytes], head: bytes) -> zipfile.ZipFile | LostMembers:
        """The archive with its directory, or why that can't be read."""
        try:
            return LostMembers(0, SPLIT) if _is_split(raw) else zipfile.ZipFile(raw)
        except SetupError:  # the storage
            raise
        except Exception as error:  # zipfile raises anything on damaged bytes
            if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
                raise
            message = str(error)
        has_no_end = message == "File is not a zip file"
        if (has_no_end and head == PART_SIGNATURE) or "multiple disks" in message:
            return LostMembers(0, SPLIT)
        if head != MEMBER_SIGNATURE:
            return LostMembers(0, f"damaged archive: {message}")
        if has_no_end and self._path.endswith(".001"):  # 7-Zip's naming
            return LostMembers(0, "split archive: it is the first of several files; join all with `cat`")
        what = (
            "truncated archive: it ends before its directory" if has_no_end else f"damaged archive: {message}"
        )
        return LostMembers(0, f"{what}{HOW_TO_SAVE}")

    def content(self, raw: IO[bytes], member: Member, max_bytes: int | None = None) -> bytes:
        raw.seek(member.offset_bytes)
        header = raw.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(MEMBER_SIGNATURE):
            raise DamagedMemberError(f"there is no member at byte {member.offset_bytes}")
        _, _, _, method, *_, name_bytes, extra_bytes = _HEADER.unpack(header)
        raw.seek(member.offset_bytes + _HEADER.size + name_bytes + extra_bytes)
        size_bytes = member.size_bytes if max_bytes is None else min(max_bytes, member.size_bytes)
        if method == zipfile.ZIP_STORED:
            content = raw.read(min(size_bytes, member.packed_bytes))
        elif method == zipfile.ZIP_DEFLATED:
            content = _inflated(raw, size_bytes, member.packed_bytes, max_bytes is not None)
        else:
            raise DamagedMemberError(f"its header says compression method {method}")
        if max_bytes is not None:
            return content
        if len(content) != size_bytes:
            raise DamagedMemberError(f"{len(content):,} bytes, expected {size_bytes:,}")
        if member.crc32 is not None and zlib.crc32(content) != member.crc32:
            raise DamagedMemberError("its bytes are not those that its checksum was made of")
        return content


def _is_split(raw: IO[bytes]) -> bool:
    """Whether it is the last file of a split archive, in which zipfile would look for all members."""
    raw.seek(max(0, size_of(raw) - MAX_END_BYTES))
    _, found, end = raw.read().rpartition(END_SIGNATURE)
    return bool(found) and int.from_bytes(end[:2], "little") not in (0, IN_ZIP64)


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name, up to a NUL. Without the UTF-8 flag it should be in code page 437, but Info-ZIP and
    macOS write UTF-8. The extra field is read here, as only newer versions of zipfile read it."""
    name = info.orig_filename
    if not info.flag_bits & UTF_8:
        raw_name = name.encode("cp437")  # lossless
        for utf_8 in (_unicode_path(info.extra, raw_name), raw_name):
            with contextlib.suppress(UnicodeDecodeError):
                name = utf_8.decode() or name
                break
    return name.partition("\0")[0]


def _unicode_path(extra: bytes, name: bytes) -> bytes:
    """The name in a member's extra fields that replaces ``name``; ``name`` if there is none."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == UNICODE_PATH and field.startswith(struct.pack("<BL", 1, zlib.crc32(name))):
            return field[5:]
    return name


def _why_not_read(info: zipfile.ZipInfo, end_bytes: int) -> str | None:
    """The reason not to read a member, by its entry in the directory."""
    if info.create_system == 3 and stat.S_ISLNK(info.external_attr >> 16):  # of Unix
        return "link in archive: it has no bytes of its own"
    if info.volume:
        return SPLIT
    if info.flag_bits & ENCRYPTED:
        return "encrypted: the archive has a password; unpack it"
    if info.compress_type not in COMPRESSIONS:
        return (
            f"unknown compression: method {info.compress_type}; only deflated and stored members can be read"
        )
    if info.file_size > MAX_FILE_BYTES:
        return f"too large: {info.file_size:,} bytes, unpacked; at most {MAX_FILE_BYTES:,} are read"
    if info.header_offset < 0 or info.header_offset + _HEADER.size + info.compress_size > end_bytes:
        return "damaged: its bytes would reach into what follows it in the archive"
    return None


def _inflated(raw: IO[bytes], size_bytes: int, packed_bytes: int, head_only: bool) -> bytes:
    """Up to ``size_bytes`` + 1 of the deflated content at the current position: more or fewer than
    ``size_bytes`` are an error for the caller."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    max_bytes = size_bytes + size_bytes // 4 + 1024  # incompressible data grows by an eighth at worst
    try:
        content = inflating.decompress(raw.read(min(packed_bytes, max_bytes)), size_bytes + 1)
    except zlib.error as error:
        raise DamagedMemberError(f"it can't be inflated: {error}") from None
    if not inflating.eof and not head_only:
        raise DamagedMemberError("what is deflated has no end where it should")
    return content
