"""Drawn scenes as JPEG files of SA-1B's size, for benchmarks of reading and decoding.

SA-1B's shorter side is 1500 pixels and its files are about 1.0 MB on average. A drawn scene alone would be
a fifth of that, so it gets grain: it costs a decoder what a photograph of that many bytes does.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene

WIDTH_PX, HEIGHT_PX = 2250, 1500
GRAIN_LEVELS = 7
QUALITY = 90


def large_jpeg(number: int) -> bytes:
    """The drawn scene ``number``, 2250 x 1500 pixels: 1.0 to 1.1 MB. Always the same bytes."""
    levels = np.asarray(paint(imagine_scene("unseen", number), WIDTH_PX, HEIGHT_PX), np.int16)
    grain = np.random.default_rng(number).normal(0, GRAIN_LEVELS, (HEIGHT_PX, WIDTH_PX, 1)).astype(np.int16)
    buffer = io.BytesIO()
    Image.fromarray(np.clip(levels + grain, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
