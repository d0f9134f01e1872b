"""PNG: its chunks without metadata.

Comes in: a file's bytes. Goes out: a BareFile of the chunks that the pixels need, whose checksums are right.
"""

from __future__ import annotations

import re
import struct
import zlib

from triptych.sources.pixels.bare_file import BareFile
from triptych.sources.pixels.orientation import from_metadata

SIGNATURE = b"\x89PNG\r\n\x1a\n"
NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
MAX_METADATA_BYTES = 1 << 20
"""Of a compressed text that is looked into for an orientation."""

_EXIF_AS_TEXT = re.compile(rb"Raw profile type (?:exif|APP1)\0")
_XMP_TEXT = b"XML:com.adobe.xmp\0"


def bare_file(content: bytes) -> BareFile:
    """Only what the pixels need, wherever in the file it stands; metadata may stand behind the pixels."""
    kept = [SIGNATURE]
    exif = xmp = header = b""
    wrong: set[bytes] = set()
    at = len(SIGNATURE)
    while at + 8 <= len(content) and kept[-1][4:8] != b"IEND":
        length, name = struct.unpack_from(">L4s", content, at)
        chunk = content[at : at + 12 + length]
        body = chunk[8:-4]
        at += 12 + length
        if name == b"IHDR":
            header = body
        if name in NEEDED:
            kept.append(_comparable(body, header) if name == b"tRNS" else chunk)
            if (
                name != b"IEND"
                and at <= len(content)
                and zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:])
            ):
                wrong.add(name)
        elif name == b"eXIf":
            exif = body
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            exif = exif or _exif_in_text(name, body)
            xmp = xmp or (_text(name, body) if body.startswith(_XMP_TEXT) else b"")
    damage = f"the checksum of its {b', '.join(sorted(wrong)).decode()} is wrong" if wrong else None
    if not any(chunk[4:8] == b"IDAT" for chunk in kept):
        damage = "it is truncated before its pixels"
    return BareFile(b"".join(kept), from_metadata(exif, xmp), damage)


def _comparable(transparent: bytes, header: bytes) -> bytes:
    """A chunk that names the colour that stands for transparent, as deep as Pillow brings the pixels to.

    Pillow brings grey of fewer than 8 bits and colours of 16 bits to 8, and leaves this one as it is.
    """
    depth, kind = (header[8], header[9]) if len(header) > 9 else (8, 3)
    if kind == 0 and depth < 8 and len(transparent) == 2:
        transparent = struct.pack(">H", struct.unpack(">H", transparent)[0] * 255 // (2**depth - 1))
    elif kind == 2 and depth == 16 and len(transparent) == 6:
        transparent = struct.pack(">3H", *(level >> 8 for level in struct.unpack(">3H", transparent)))
    body = b"tRNS" + transparent
    return struct.pack(">L", len(transparent)) + body + struct.pack(">L", zlib.crc32(body))


def _exif_in_text(name: bytes, body: bytes) -> bytes:
    """EXIF as ImageMagick writes it: in hexadecimal digits, below a line with its length."""
    if not _EXIF_AS_TEXT.match(body):
        return b""
    digits = b"".join(_text(name, body).strip().split(b"\n")[2:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def _text(name: bytes, body: bytes) -> bytes:
    """What stands behind a text's keyword; nothing where it can't be unpacked."""
    _, _, text = body.partition(b"\0")
    if name == b"tEXt":
        return text
    packed = name == b"zTXt" or text[:1] == b"\1"
    text = text[1:] if name == b"zTXt" else text[2:].split(b"\0", 2)[-1]
    try:
        return zlib.decompressobj().decompress(text, MAX_METADATA_BYTES) if packed else text
    except zlib.error:
        return b""
