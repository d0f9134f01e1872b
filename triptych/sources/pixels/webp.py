"""WebP: its first picture without metadata.

Comes in: a file's bytes. Goes out: a BareFile of the chunks that the pixels need. Of an animation those are
the first frame's.
"""

from __future__ import annotations

import struct

from triptych.sources.pixels.bare_file import BareFile
from triptych.sources.pixels.orientation import from_metadata

PIXELS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})
"""What a picture's pixels are in. Behind the first of them nothing is needed."""
BEFORE_PIXELS = frozenset({b"VP8X", b"ANIM", b"ALPH"})


def bare_file(content: bytes) -> BareFile:
    """Only what the pixels need."""
    kept: list[bytes] = []
    exif = xmp = b""
    is_whole = False
    at = 12
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sL", content, at)
        end = at + 8 + length
        if (name in PIXELS or name in BEFORE_PIXELS) and not is_whole:
            kept.append(content[at:end] + bytes(length % 2))
            is_whole = name in PIXELS and end <= len(content)
        elif name == b"EXIF":
            exif = content[at + 8 : end]
        elif name == b"XMP ":
            xmp = content[at + 8 : end]
        at = end + length % 2
    body = b"WEBP" + b"".join(kept)
    damage = None if is_whole else "its pixels are truncated"
    return BareFile(b"RIFF" + struct.pack("<L", len(body)) + body, from_metadata(exif, xmp), damage)
