"""Pictures for the page."""

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
def test_a_thumbnail_keeps_the_whole_picture_and_its_shape(width: int, height: int) -> None:
    """Nothing is cropped: what is at the edge may be what a caption is about."""
    _, picture = decoded(thumbnail_url(encoded(np.zeros((height, width, 3), np.uint8)), MAX_BYTES))
    scale = SIZES[0][0] / max(width, height)

    assert (max(1, round(width * scale)), round(height * scale)) == picture.size


@pytest.mark.parametrize("max_bytes", [MAX_BYTES, 9_000])
def test_the_hardest_picture_stays_within_the_size(max_bytes: int) -> None:
    """Noise does not compress; so no picture makes the page too large."""
    noise = np.random.default_rng(3).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    content, _ = decoded(thumbnail_url(encoded(noise), max_bytes))

    assert len(content) <= max_bytes


def test_a_damaged_picture_is_refused() -> None:
    """The page then says why there is none."""
    with pytest.raises(UnreadableImageError, match="truncated"):
        thumbnail_url(encoded(np.zeros((300, 300, 3), np.uint8), "JPEG")[:200], MAX_BYTES)
