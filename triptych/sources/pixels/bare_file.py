"""A file without its metadata: what a decoder needs for the pixels, and nothing that it could stumble over.

Pixels decide: a decoder that never sees a profile, a text or EXIF can't fail on a strange one.
"""

from __future__ import annotations

from typing import NamedTuple

from triptych.sources.pixels.orientation import UPRIGHT


class BareFile(NamedTuple):
    """The bytes for the decoder, and what the rest of the file said."""

    content: bytes
    orientation: int = UPRIGHT
    damage: str | None = None
    """Why the pixels can't be whole, as far as it shows without decoding."""
    white: int | None = None
    """The level of white, where the decoder doesn't say it."""
    inverted: bool = False
    """Whether 0 is white, where the decoder doesn't know it."""
