"""Original pictures of a run, out of folders, archives and whatever else its images come from.

Comes in: an image's key. Goes out: its file's bytes where browsers read them, or else a WebP; a smaller
picture where one is asked for. Only images that the run lists can be had. Not its job: where records lie (see
places).
"""

from __future__ import annotations

import io
import threading
from typing import NamedTuple

from PIL import Image

from triptych.api import Run
from triptych.errors import UnreadableImageError
from triptych.report.live.places import Place, Places
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.shard import Shard

SHOWN_AS_THEY_ARE = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}
LARGEST_SIDE_PX = 4096
QUALITY = 82


class Encoded(NamedTuple):
    """A picture for a browser."""

    content: bytes
    media_type: str


class Pictures:
    """Those of one run. Thread-safe; the sources are listed when the first picture is asked for."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._shards: dict[str, Shard] = {}
        self._lock = threading.Lock()

    def picture(self, run: Run, key: str, shard: str | None, side_px: int | None) -> Encoded | None:
        """``key`` with its longer side at ``side_px``, or as it is. None where the run has no such image.

        Raises UnreadableImageError or OSError where its bytes can't be had, TriptychError where the sources
        can't be opened.
        """
        place = self._places.image(run.folder, key, shard)
        if place is None or place.image.unreadable is not None:
            return None
        content = self._shard(run, place).read(key, place.image.offset_bytes, place.image.size_bytes)
        if side_px is None and (media_type := _media_type(content)):
            return Encoded(content, media_type)
        side_px = min(side_px or LARGEST_SIDE_PX, LARGEST_SIDE_PX)
        picture, _, _ = decode_rgb(content, side_px)
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=QUALITY)
        return Encoded(buffer.getvalue(), "image/webp")

    def _shard(self, run: Run, place: Place) -> Shard:
        with self._lock:
            if place.shard not in self._shards:
                self._shards = {each.name: each for each in run.shards}
            shard = self._shards.get(place.shard)
        if shard is None:
            raise UnreadableImageError(f"{place.shard} is not in the sources any more")
        return shard


def _media_type(content: bytes) -> str | None:
    """Of what browsers show as it is, told by its bytes."""
    try:
        with Image.open(io.BytesIO(content), formats=tuple(SHOWN_AS_THEY_ARE)) as image:
            return SHOWN_AS_THEY_ARE[image.format or ""]
    except (OSError, KeyError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
