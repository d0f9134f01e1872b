"""One limit on pixels, and a memory budget that large pictures share."""

import io
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.executors.memory_budget import MemoryBudget
from triptych.sources import image_decoding
from triptych.sources.image_decoding import MAX_PIXELS, decode_rgb, upright_size
from triptych.sources.pixels.to_rgb import reduced_to_rgb, to_rgb


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def only_a_header(kind: str, width: int, height: int) -> bytes:
    """A file whose header gives this size, without pixels."""
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">LLBBBBB", width, height, 1, 0, 0, 0, 0)
        ends = struct.pack(">L", zlib.crc32(header)) + b"\0\0\0\xffIDAT"
        return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + ends
    small = encoded(Image.new("L", (8, 8)), kind)
    match kind:
        case "JPEG":
            return small.replace(b"\x08\0\x08\0\x08\1", b"\x08" + struct.pack(">HH", height, width) + b"\1")
        case "GIF":
            return small[:6] + struct.pack("<HH", width, height) + small[10:]
        case "BMP":
            return small[:18] + struct.pack("<LL", width, height) + small[26:]
    return f"P5 {width} {height} 255\n".encode()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "PPM"])
def test_a_picture_above_the_limit_is_refused_without_decoding(kind: str) -> None:
    """Its size can still be read, and no memory is allocated for its pixels."""
    content = only_a_header(kind, 20_001, 20_000)

    assert (20_001, 20_000) == upright_size(content)
    with pytest.raises(UnreadableImageError, match=r"^too large: 20001 x 20000 pixels$"):
        decode_rgb(content)
    if kind != "GIF":  # its frames may be smaller
        with pytest.raises(UnreadableImageError, match=r"^(truncated|damaged): "):
            decode_rgb(only_a_header(kind, 2_001, 2_000))


@pytest.mark.slow
def test_the_limit_is_the_only_one() -> None:
    """Pillow's own limit, which other code in the process relies on, is neither changed nor applied."""
    width, height = 19_990, 20_000
    before = Image.MAX_IMAGE_PIXELS
    content = encoded(Image.new("1", (width, height), 1), "TIFF", compression="group4")
    picture, *size = decode_rgb(content, 246)

    assert width * height < MAX_PIXELS
    assert [width, height] == size
    assert (255, 255, 255) == picture.getpixel((0, 0))
    assert min(picture.size) >= 246
    assert before == Image.MAX_IMAGE_PIXELS


def test_pictures_are_decoded_within_a_budget_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The budget is two and a half pictures: at most two of eight threads decode at once, and all finish."""
    content = encoded(Image.new("RGB", (450, 300)), "PNG")
    decoding, most_at_once, lock = [0], [0], threading.Lock()

    def counted(*arguments: object) -> Image.Image:
        with lock:
            decoding[0] += 1
            most_at_once[0] = max(most_at_once[0], decoding[0])
        try:
            return to_rgb(*arguments)  # type: ignore[arg-type]
        finally:
            with lock:
                decoding[0] -= 1

    budget = MemoryBudget(int(2.5 * 450 * 300))
    monkeypatch.setattr(image_decoding, "_DECODING", budget)
    monkeypatch.setattr(image_decoding, "to_rgb", counted)
    threads = [threading.Thread(target=decode_rgb, args=(content,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= most_at_once[0] <= 2
    assert budget.peak <= 2 * 450 * 300


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "F", "I", "CMYK"])
def test_a_picture_reduced_in_stripes_looks_like_one_reduced_at_once(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also at the edges of stripes, and with one white level for all stripes."""
    monkeypatch.setattr("triptych.sources.pixels.to_rgb.STRIPE_PIXELS", 5_000)
    levels = np.random.default_rng(3).integers(0, 256, (331, 203, 4), np.uint8)
    if mode in ("I;16", "I", "F"):
        wide = levels[:, :, 0].astype(np.uint16) * 257
        picture = Image.fromarray(wide if mode == "I;16" else wide.astype("i4" if mode == "I" else "f4"))
    else:
        picture = Image.fromarray(levels).convert(mode)
    small = reduced_to_rgb(picture, 50)

    assert (51, 83) == small.size
    assert np.array_equal(np.asarray(small), np.asarray(to_rgb(picture).reduce(4)))


PRINTS_PEAK_MEMORY = """
import io, resource, sys, threading
from triptych.sources.image_decoding import decode_rgb
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
threads = [threading.Thread(target=decode_rgb, args=(open(p, "rb").read(), 246)) for p in sys.argv[1:]]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.slow
def test_two_large_pictures_at_once_need_little_more_than_their_pixels(tmp_path: Path) -> None:
    """Two pictures of 36 million transparent pixels: four bytes per pixel, and a stripe."""
    path = tmp_path / "large.png"
    Image.new("RGBA", (6_000, 6_000), (255, 0, 0, 128)).save(path, compress_level=1)
    command = [sys.executable, "-c", PRINTS_PEAK_MEMORY, *[str(path)] * 2]
    peak_mib = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert peak_mib < 600
