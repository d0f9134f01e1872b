"""PNG, WebP, AVIF, HEIC and JPEG XL: their chunks, without metadata where it could be in the way.

Comes in: a file's bytes. Goes out: a BareFile of the chunks that the pixels need; PNG's have checksums.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from triptych.sources.pixels.bare_file import BareFile, from_metadata
from triptych.sources.pixels.heif_items import pixel_places

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_NEEDED = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
MAX_METADATA_BYTES = 1 << 20
"""Of a compressed text that is looked into for an orientation."""

FILLED = bytes(16)
"""How the codes of a picture end of which the rest never arrived, where a program had made room for it. Those
of a whole AVIF or HEIC end in no zeros."""
FILLED_WEBP = bytes(8)
"""Those of a whole WebP may end in 64,000, where it is plain. But it needs all of them but three, while what
was filled up with zeros mostly is a picture without the last as well."""

FILLED_UP = "its pixels are truncated, and filled up with zeros"

_EXIF_AS_TEXT = re.compile(rb"Raw profile type (?:exif|APP1)\0")
_XMP_TEXT = b"XML:com.adobe.xmp\0"

WEBP_CODES = frozenset({b"VP8 ", b"VP8L"})
WEBP_PIXELS = WEBP_CODES | {b"ANMF"}
"""What a picture's pixels are in. Behind the first of them nothing is needed."""
WEBP_BEFORE_PIXELS = frozenset({b"VP8X", b"ANIM", b"ALPH"})


def bare_png(content: bytes) -> BareFile:
    """Only what the pixels need, wherever in the file it stands; metadata may stand behind the pixels."""
    kept = [PNG_SIGNATURE]
    exif = xmp = header = b""
    wrong: set[bytes] = set()
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(content) and kept[-1][4:8] != b"IEND":
        length, name = struct.unpack_from(">L4s", content, at)
        chunk = content[at : at + 12 + length]
        body = chunk[8:-4]
        at += 12 + length
        if name == b"IHDR":
            header = body
        if name in PNG_NEEDED:
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


def bare_webp(content: bytes) -> BareFile:
    """Only what the pixels need: of an animation those of the first frame."""
    kept: list[bytes] = []
    exif = xmp = b""
    is_whole = False
    for name, at, end in _webp_chunks(content, 12):
        if (name in WEBP_PIXELS or name in WEBP_BEFORE_PIXELS) and not is_whole:
            kept.append(content[at:end] + bytes((end - at) % 2))
            is_whole = name in WEBP_PIXELS and end <= len(content)
        elif name == b"EXIF":
            exif = content[at + 8 : end]
        elif name == b"XMP ":
            xmp = content[at + 8 : end]
    turn = from_metadata(exif, xmp)
    if not is_whole:
        return BareFile(_webp(kept), turn, "its pixels are truncated")
    shorter = _without_zeros(kept[-1])
    return BareFile(_webp(kept), turn, without_zeros=_webp([*kept[:-1], shorter]) if shorter else None)


def _webp(chunks: list[bytes]) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def _webp_chunks(content: bytes, at: int) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk from ``at`` on, and where it begins and should end."""
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sL", content, at)
        yield name, at, at + 8 + length
        at += 8 + length + length % 2


def _without_zeros(pixels: bytes) -> bytes | None:
    """The chunk without FILLED_WEBP at the end of its codes; None where they don't end so."""
    is_frame = pixels.startswith(b"ANMF")
    for name, at, end in _webp_chunks(pixels, 24 if is_frame else 0):
        if name in WEBP_CODES and pixels.endswith(FILLED_WEBP, at + 8, end):
            length = end - at - 8 - len(FILLED_WEBP)
            codes = name + struct.pack("<L", length) + pixels[at + 8 : at + 8 + length] + bytes(length % 2)
            frame = pixels[8:at] + codes
            return b"ANMF" + struct.pack("<L", len(frame)) + frame if is_frame else codes
    return None


def bare_avif(content: bytes) -> BareFile:
    """As long as before, as its places are told by their offset; but the item that holds EXIF, which libavif
    refuses to pass over where it is odd, is of no known type. How the picture is turned stands elsewhere."""
    name_at = content.find(b"iinf")
    end = name_at - 4 + int.from_bytes(content[name_at - 4 : name_at])
    items = content[name_at:end].replace(b"\0Exif", b"\0none") if name_at >= 4 else b""
    return bare_heic(content[:name_at] + items + content[end:] if items else content)


def bare_heic(content: bytes) -> BareFile:
    """As it is."""
    is_filled = any(content.endswith(FILLED, start, end) for start, end in pixel_places(content))
    return BareFile(content, damage=FILLED_UP if is_filled else None)


def bare_jxl(content: bytes) -> BareFile:
    """As it is, with its size: its decoder decodes all of it before it says one."""
    at = content.find(b"jxlc") + 4
    if at < 4:
        at = content.find(b"jxlp") + 8  # a part, behind its number
    at = 0 if content.startswith(b"\xff\x0a") else at
    return BareFile(content, size=_jxl_size(int.from_bytes(content[at + 2 : at + 14], "little")))


def _jxl_size(bits: int) -> tuple[int, int]:
    """By the header of ISO/IEC 18181-1, annex D.2: the height, and the width or its ratio."""

    def take(count: int) -> int:
        nonlocal bits
        taken, bits = bits & ((1 << count) - 1), bits >> count
        return taken

    is_small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    wide, high = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    return height * wide // high or side(), height
