"""Decoding a file into its image record and its pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from triptych.grouping.embedding import prepare as prepare_module
from triptych.grouping.embedding.prepare import decode_to, prepare
from triptych.grouping.embedding.preprocess import InputShape, resize_to
from triptych.sources.shard import FoundFile

SHAPE = InputShape(height_px=32, width_px=32)


def _smooth(width: int, height: int, seed: int = 4) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(450, 300), (300, 451), (455, 305)], ids=str)
def test_a_jpeg_decoded_at_an_eighth_is_framed_like_the_full_one(size: tuple[int, int]) -> None:
    """300 pixels at 1/8 are 37.5: the half pixel that libjpeg adds doesn't stretch the frame."""
    picture = _smooth(*size)

    drafted = decode_to(SHAPE, _jpeg(picture)).framed
    in_full = resize_to(SHAPE, picture, *size).framed

    difference = np.abs(drafted.astype(float) - in_full)
    assert difference.mean() < 1.0


def test_a_file_is_decoded_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixels, size and both hashes come from one decoding."""
    calls = []
    decode = prepare_module.decode_rgb
    monkeypatch.setattr(prepare_module, "decode_rgb", lambda *a: calls.append(1) or decode(*a))

    record, pixels = prepare(FoundFile(key="a.jpg", content=_jpeg(_smooth(450, 300))), SHAPE)

    assert calls == [1]
    assert pixels is not None
    assert (record.width_px, record.height_px, len(record.content_hash), len(record.picture_hash)) == (
        450,
        300,
        32,
        64,
    )
