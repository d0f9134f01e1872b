"""Thumbnails for the page."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.report.thumbnails import MAX_BYTES, SIZES, thumbnail_url


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def decoded(url: str) -> tuple[bytes, Image.Image]:
    content = base64.b64decode(url.removeprefix("data:image/webp;base64,"), validate=True)
    return content, Image.open(io.BytesIO(content))


@pytest.mark.parametrize(("width", "height"), [(900, 300), (300, 900), (4, 2000)])
def test_a_thumbnail_shows_the_whole_picture_in_its_aspect_ratio(width: int, height: int) -> None:
    """Nothing is cropped, because a caption may be about something at the edge."""
    _, picture = decoded(thumbnail_url(encoded(np.zeros((height, width, 3), np.uint8)), MAX_BYTES))
    scale = SIZES[0][0] / max(width, height)

    assert (max(1, round(width * scale)), round(height * scale)) == picture.size


@pytest.mark.parametrize("max_bytes", [MAX_BYTES, 9_000])
def test_a_picture_that_does_not_compress_stays_within_the_size(max_bytes: int) -> None:
    """Noise is such a picture. So no picture makes the page too large."""
    noise = np.random.default_rng(3).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    content, _ = decoded(thumbnail_url(encoded(noise), max_bytes))

    assert len(content) <= max_bytes


def test_a_damaged_picture_is_refused() -> None:
    """The page then shows the reason instead."""
    with pytest.raises(UnreadableImageError, match="truncated"):
        thumbnail_url(encoded(np.zeros((300, 300, 3), np.uint8), "JPEG")[:200], MAX_BYTES)
