"""Drawn scenes as JPEG files of SA-1B's size, for benchmarks of reading and decoding.

Images of SA-1B have a shorter side of 1500 pixels and about 1.0 MB on average. A drawn scene would have a
fifth of that, so noise is added; then it takes as long to decode as a photograph of the same number of bytes.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene

WIDTH_PX, HEIGHT_PX = 2250, 1500
NOISE_LEVELS = 7
QUALITY = 90


def large_jpeg(number: int) -> bytes:
    """The drawn scene ``number`` with 2250 x 1500 pixels and 1.0 to 1.1 MB, always the same bytes."""
    levels = np.asarray(paint(imagine_scene("unseen", number), WIDTH_PX, HEIGHT_PX), np.int16)
    noise = np.random.default_rng(number).normal(0, NOISE_LEVELS, (HEIGHT_PX, WIDTH_PX, 1)).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(levels + noise, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
