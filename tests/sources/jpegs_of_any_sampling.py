"""Writes JPEGs of any sampling, which Pillow can't: baseline, with all components in one scan."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Sampling = Sequence[tuple[int, int]]
"""Horizontal and vertical sampling factors of each component."""

STEP = 8
"""The quantisation step: every coefficient is divided by it."""
DIFFERENCES = bytes(range(12))
COEFFICIENTS = bytes(16 * run + size for run in range(16) for size in range(1, 11)) + b"\x00\xf0"
"""The symbols of the Huffman codes. A symbol's code is its index, in 4 bits or in 8."""

_WAVES = np.cos((2 * np.arange(8) + 1) * np.arange(8)[:, None] * np.pi / 16) / 2
_WAVES[0] = 8**-0.5
_ZIGZAG = sorted(range(64), key=lambda at: (at // 8 + at % 8, at // 8 if (at // 8 + at % 8) % 2 else at % 8))


def jpeg_sampled(picture: Image.Image, sampling: Sampling) -> bytes:
    """The picture as a JPEG with this sampling."""
    across, down = (max(each) for each in zip(*sampling, strict=True))
    columns, rows = -(-picture.width // (8 * across)), -(-picture.height // (8 * down))
    whole = picture.crop((0, 0, columns * 8 * across, rows * 8 * down)).convert("YCbCr")
    bands = [
        _blocks(band.resize((columns * 8 * h, rows * 8 * v)))
        for band, (h, v) in zip(whole.split(), sampling, strict=False)
    ]
    bits: list[str] = []
    before = [0] * len(sampling)
    for row, column in np.ndindex(rows, columns):
        for number, (h, v) in enumerate(sampling):
            for y, x in np.ndindex(v, h):
                block = bands[number][row * v + y, column * h + x]
                bits += _codes(block, before[number])
                before[number] = int(block[0])
    packed = "".join(bits)
    packed += "1" * (-len(packed) % 8)
    scan = int(packed, 2).to_bytes(len(packed) // 8).replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, picture.height, picture.width, len(sampling))
    frame += b"".join(bytes([number, 16 * h + v, 0]) for number, (h, v) in enumerate(sampling, start=1))
    tables = b"\0\0\0\0\x0c" + bytes(12) + DIFFERENCES, b"\x10" + bytes(7) + b"\xa2" + bytes(8) + COEFFICIENTS
    parts = b"".join(bytes([number, 0]) for number in range(1, 1 + len(sampling)))
    return b"".join((
        b"\xff\xd8", _segment(0xDB, bytes([0, *[STEP] * 64])), _segment(0xC0, frame),
        *(_segment(0xC4, table) for table in tables),
        _segment(0xDA, bytes([len(sampling)]) + parts + b"\0\x3f\0"), scan, b"\xff\xd9",
    ))  # fmt: skip


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _blocks(band: Image.Image) -> NDArray[np.int64]:
    """``int[down, across, 64]``: the coefficients of each block, in the order in which they are stored."""
    levels = np.asarray(band, np.float64) - 128
    blocks = levels.reshape(band.height // 8, 8, band.width // 8, 8).transpose(0, 2, 1, 3)
    waves = np.rint(_WAVES @ blocks @ _WAVES.T / STEP).astype(np.int64)
    return waves.reshape(*waves.shape[:2], 64)[:, :, _ZIGZAG]


def _codes(block: NDArray[np.int64], before: int) -> Iterator[str]:
    difference = int(block[0]) - before
    yield f"{DIFFERENCES.index(difference.bit_length()):04b}" + _bits(difference)
    last = 0
    for at in np.flatnonzero(block[1:]) + 1:
        value, run = int(block[at]), int(at) - last - 1
        yield f"{COEFFICIENTS.index(0xF0):08b}" * (run // 16)
        yield f"{COEFFICIENTS.index(16 * (run % 16) + value.bit_length()):08b}" + _bits(value)
        last = int(at)
    if last < 63:
        yield f"{COEFFICIENTS.index(0):08b}"


def _bits(value: int) -> str:
    """The bits of the absolute value, inverted if the number is negative."""
    size = value.bit_length()
    return f"{value + (2**size - 1 if value < 0 else 0):0{size}b}" if size else ""
