"""The page's pictures: thumbnails, each stored once, made from the sources; and their places on the map.

Comes in: located images, the shards of the sources. Goes out: thumbnails as data URLs, or the reason why
there is none; positions. The size of each is bounded, and so is that of the page. Not its job: decoding (see
sources).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.executors.processes import core_count
from triptych.progress import Progress
from triptych.report.content import Picture
from triptych.report.neighbours import LocatedImage, unit_vectors
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import read_image
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.shard import Shard

SIZES = ((640, 72), (448, 64), (320, 56), (208, 50), (208, 25), (208, 5))
"""Longer side in pixels and quality of WebP, from the best down; the first that is small enough is used."""
PAGE_BYTES = 5_400_000
"""All thumbnails together; 7.2 MB in base64."""
MAX_BYTES = 40_000
"""The largest thumbnail, on a page with few of them."""


class Thumbnails:
    """Numbers the pictures of the page, and makes their thumbnails at the end."""

    def __init__(self, sources: Mapping[str, Shard]) -> None:
        self._sources = sources
        self._numbered: dict[str, tuple[int, LocatedImage]] = {}

    def number_of(self, image: LocatedImage) -> int:
        """The number of a picture on the page. The same picture always gets the same number."""
        number, _ = self._numbered.setdefault(image.record.key, (len(self._numbered), image))
        return number

    @property
    def images(self) -> list[LocatedImage]:
        """The images of all pictures, by number."""
        return [image for _, image in self._numbered.values()]

    def pictures(self, progress: Progress) -> list[Picture]:
        """All pictures, by number."""
        images = self.images
        max_bytes = min(MAX_BYTES, PAGE_BYTES // max(1, len(images)))
        with (
            progress.task("report pictures", len(images), "images") as task,
            ThreadPoolExecutor(core_count(), thread_name_prefix="thumbnail") as pool,
        ):
            pictures = []
            for picture in pool.map(self._picture, images, repeat(max_bytes)):
                pictures.append(picture)
                task.advance(1)
        return pictures

    def map_of(self, run: RunFolder, kinds: Mapping[str, Container[str]]) -> list[tuple[float, float, str]]:
        """For each picture, by number: its position along the first two principal components of all, by rank,
        from 0 to 1; and the first of ``kinds`` that has its key, else ``single``.

        Ranks fill the whole square; with plain coordinates, outliers would squeeze the others together.
        """
        became = (
            next((kind for kind, keys in kinds.items() if image.record.key in keys), "single")
            for image in self.images
        )
        places = along_two_components(unit_vectors(run, self.images))
        return [(*place, kind) for place, kind in zip(places, became, strict=True)]

    def _picture(self, image: LocatedImage, max_bytes: int) -> Picture:
        record = image.record
        url = why_not = None
        try:
            content = read_image(self._sources[image.shard], record)
            url = thumbnail_url(content, max_bytes)
        except UnreadableImageError as error:
            why_not = str(error)
        except KeyError:
            why_not = "its source is not there any more"
        except OSError as error:
            why_not = error.strerror or str(error)
        return Picture(
            key=record.key, width_px=record.width_px, height_px=record.height_px, url=url, why_not=why_not
        )


def thumbnail_url(content: bytes, max_bytes: int) -> str:
    """A WebP of at most ``max_bytes`` as a data URL. Raises UnreadableImageError."""
    picture, _, _ = decode_rgb(content, SIZES[0][0])
    for longer_side_px, quality in SIZES:
        picture.thumbnail((longer_side_px, longer_side_px), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=quality)
        if buffer.tell() <= max_bytes:
            break
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def along_two_components(units: NDArray[np.float32]) -> list[tuple[float, float]]:
    """The ranks of ``float32[n, dim]`` along their first two principal components, from 0 to 1."""
    import faiss

    if len(units) < 2:
        return [(0.5, 0.5)] * len(units)
    dimensions = units.shape[1]
    components = faiss.PCAMatrix(dimensions, min(2, dimensions))
    components.train(units)
    ranks = components.apply(units).argsort(axis=0, kind="stable").argsort(axis=0) / (len(units) - 1)
    return [(float(across), float(down)) for across, down in ranks[:, [0, -1]].round(4)]
