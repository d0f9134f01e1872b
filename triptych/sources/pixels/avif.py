"""AVIF: its file without EXIF, which libavif refuses to pass over where it is odd.

Comes in: a file's bytes. Goes out: a BareFile in which the item that holds EXIF is of no known type. How the
picture is turned stands elsewhere, and has the say over EXIF.
"""

from __future__ import annotations

from triptych.sources.pixels.bare_file import BareFile


def bare_file(content: bytes) -> BareFile:
    """As long as before: other places of the file are told by their offset."""
    name_at = content.find(b"iinf")
    end = name_at - 4 + int.from_bytes(content[name_at - 4 : name_at])
    if name_at < 4:
        return BareFile(content)
    items = content[name_at:end].replace(b"\0Exif", b"\0none")
    return BareFile(content[:name_at] + items + content[end:])
