"""Original images of a run, from folders, archives or any other source.

Comes in: an image's key. Goes out: its bytes if browsers can show them, else a WebP; a smaller one on
request. Only images in the run's records are accessible. Not its job: finding records (see record_index).
"""

from __future__ import annotations

import io
import threading
from typing import NamedTuple

from PIL import Image

from triptych.api import Run
from triptych.errors import UnreadableImageError
from triptych.report.live.record_index import RecordIndex
from triptych.runs.image_reader import read_image
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
    """The images of one run. Thread-safe; the sources are listed at the first request."""

    def __init__(self, records: RecordIndex) -> None:
        self._records = records
        self._shards: dict[str, Shard] = {}
        self._lock = threading.Lock()

    def picture(self, run: Run, key: str, shard: str | None, side_px: int | None) -> Encoded | None:
        """The image ``key``, scaled down to ``side_px`` if given. None if the run has no such image.

        Raises UnreadableImageError or OSError if it can't be read, TriptychError if the sources can't be
        opened.
        """
        found = self._records.image(run.folder, key, shard)
        if found is None or found.image.unreadable is not None:
            return None
        content = read_image(self._shard(run, found.shard), found.image)
        if side_px is None and (media_type := _media_type(content)):
            return Encoded(content, media_type)
        side_px = min(side_px or LARGEST_SIDE_PX, LARGEST_SIDE_PX)
        picture, _, _ = decode_rgb(content, side_px)
        picture.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=QUALITY)
        return Encoded(buffer.getvalue(), "image/webp")

    def _shard(self, run: Run, name: str) -> Shard:
        with self._lock:
            if name not in self._shards:
                self._shards = {each.name: each for each in run.shards}
            shard = self._shards.get(name)
        if shard is None:
            raise UnreadableImageError(f"{name} is not in the sources any more")
        return shard


def _media_type(content: bytes) -> str | None:
    """The media type of an image that browsers can show; None for other formats."""
    try:
        with Image.open(io.BytesIO(content), formats=tuple(SHOWN_AS_THEY_ARE)) as image:
            return SHOWN_AS_THEY_ARE[image.format or ""]
    except (OSError, KeyError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
