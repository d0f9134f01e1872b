"""Zip archives as shards: stored and deflated members, read by their own.

Comes in: a ``.zip``. Goes out: a shard. The standard library reads the directory; members are unpacked here,
by their offset, so that an image is found again without reading the directory another time. A member that is
encrypted, damaged or absurd is a record, and the others stay. What is unpacked is limited by its size in the
directory, by MAX_FILE_BYTES, and, as members may not overlap, by the length of the archive: no small file
keeps a run busy for days. Not its job: other compression than deflate, which no tool uses for images.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from triptych.errors import SetupError
from triptych.sources.members import DamagedMemberError, LostMembers, Member, MembersShard
from triptych.sources.regular_files import MAX_FILE_BYTES

COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

ENCRYPTED = 0x1
"""Flag of a member."""

MEMBER_SIGNATURE = b"PK\x03\x04"

HOW_TO_SAVE = "; `zip -FF` can save members"

_HEADER = struct.Struct("<4s5H3L2H")
"""Of a member: signature, version, flags, method, time, date, checksum, packed and unpacked bytes, lengths of
name and extra. Checksum and sizes may follow the member instead, so they aren't looked at here."""


class ZipShard(MembersShard):
    """All members of one zip."""

    def members(self, raw: IO[bytes], *, look_on: bool = True) -> Iterator[Member | LostMembers]:
        if not (head := raw.read(len(MEMBER_SIGNATURE))):
            return
        try:
            archive = zipfile.ZipFile(raw)
        except SetupError:  # the storage
            raise
        except Exception as error:  # it raises anything on damaged bytes
            if isinstance(error, OSError) and error.errno is not None:  # the disk, not the archive
                raise
            is_cut = str(error) == "File is not a zip file" and head == MEMBER_SIGNATURE
            what = (
                "truncated archive: it ends before its directory" if is_cut else f"damaged archive: {error}"
            )
            yield LostMembers(0, f"{what}{HOW_TO_SAVE if head == MEMBER_SIGNATURE else ''}")
            return
        infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
        ends = [*(info.header_offset for info in infos), archive.start_dir][1:]
        for info, end in zip(infos, ends, strict=True):
            yield Member(
                name=info.filename,
                offset_bytes=info.header_offset,
                size_bytes=info.file_size,
                end_bytes=end,
                packed_bytes=info.compress_size,
                crc32=info.CRC,
                is_file=not info.filename.endswith("/"),
                unreadable=_why_not_read(info, end),
            )

    def content(self, raw: IO[bytes], member: Member, most_bytes: int | None = None) -> bytes:
        raw.seek(member.offset_bytes)
        header = raw.read(_HEADER.size)
        if len(header) < _HEADER.size or not header.startswith(MEMBER_SIGNATURE):
            raise DamagedMemberError(f"there is no member at byte {member.offset_bytes}")
        _, _, _, method, *_, name_bytes, extra_bytes = _HEADER.unpack(header)
        raw.seek(member.offset_bytes + _HEADER.size + name_bytes + extra_bytes)
        size_bytes = member.size_bytes if most_bytes is None else min(most_bytes, member.size_bytes)
        if method == zipfile.ZIP_STORED:
            content = raw.read(min(size_bytes, member.packed_bytes))
        elif method == zipfile.ZIP_DEFLATED:
            content = _inflated(raw, size_bytes, member.packed_bytes, most_bytes is not None)
        else:
            raise DamagedMemberError(f"its header says compression method {method}")
        if most_bytes is not None:
            return content
        if len(content) != size_bytes:
            raise DamagedMemberError(f"{len(content):,} bytes, expected {size_bytes:,}")
        if member.crc32 is not None and zlib.crc32(content) != member.crc32:
            raise DamagedMemberError("its bytes are not those that its checksum was made of")
        return content


def _why_not_read(info: zipfile.ZipInfo, end_bytes: int) -> str | None:
    """By a member's entry in the directory."""
    if info.create_system == 3 and stat.S_ISLNK(info.external_attr >> 16):  # of Unix
        return "link in archive: it has no bytes of its own"
    if info.volume:
        return "split archive: it has several files; join them with `zip -s 0`"
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
    """What is deflated from here on: ``size_bytes`` of it, or what shows that there are more or fewer."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    most_bytes = size_bytes + size_bytes // 4 + 1024  # what can't get smaller grows by an eighth at worst
    try:
        content = inflating.decompress(raw.read(min(packed_bytes, most_bytes)), size_bytes + 1)
    except zlib.error as error:
        raise DamagedMemberError(f"it can't be inflated: {error}") from None
    if not inflating.eof and not head_only:
        raise DamagedMemberError("what is deflated has no end where it should")
    return content
