"""Bytes become upright RGB pictures, or are refused with a reason; sizes are read from headers."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb, upright_size

ORIENTATION = 0x0112


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _noise(width: int = 200, height: int = 160) -> Image.Image:
    return Image.effect_noise((width, height), 90).convert("RGB")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"),
     ("1", "PNG"), ("L", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"),
     ("I;16", "PNG"), ("RGB", "WEBP"), ("RGBA", "WEBP"), ("L", "GIF"), ("P", "GIF"), ("RGBA", "GIF"),
     ("1", "BMP"), ("L", "BMP"), ("P", "BMP"), ("RGB", "BMP"), ("RGBA", "BMP"),
     ("1", "TIFF"), ("L", "TIFF"), ("P", "TIFF"), ("LA", "TIFF"), ("RGB", "TIFF"), ("RGBA", "TIFF"),
     ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("LAB", "TIFF"), ("I;16", "TIFF"), ("I;16B", "TIFF"), ("I", "TIFF"),
     ("F", "TIFF"), ("L", "AVIF"), ("RGB", "AVIF"), ("RGBA", "AVIF")],
)  # fmt: skip
def test_every_mode_of_every_format_becomes_rgb(mode: str, kind: str) -> None:
    """The picture has three channels and the original's size, which the header alone gives too."""
    content = _encode(Image.new(mode, (40, 30)), kind)
    image, width, height = decode_rgb(content)

    assert (image.mode, image.size, width, height) == ("RGB", (40, 30), 40, 30)
    assert (40, 30) == upright_size(content)


def _quadrants() -> Image.Image:
    """Quadrants in red, green, blue and white, wider than high."""
    image = Image.new("RGB", (64, 32), "white")
    for at, colour in (((0, 0), "red"), ((32, 0), "lime"), ((0, 16), "blue")):
        image.paste(colour, (*at, at[0] + 32, at[1] + 16))
    return image


UNDO = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is transposed to be stored with each EXIF orientation."""


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once_to_picture_and_size(kind: str, orientation: int) -> None:
    """All eight orientations, in every format that supports them."""
    turn = UNDO[orientation]
    stored = _quadrants().transpose(turn) if turn is not None else _quadrants()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    content = _encode(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    image, width, height = decode_rgb(content)

    assert (64, 32) == (width, height) == image.size == upright_size(content)
    for at, colour in (((8, 4), 0), ((56, 4), 1), ((8, 28), 2)):
        red_green_blue = image.getpixel(at)
        assert colour == max(range(3), key=lambda channel: red_green_blue[channel])  # type: ignore[index]
    assert min(image.getpixel((56, 28))) > 200  # type: ignore[type-var,arg-type]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


@pytest.mark.parametrize("has_comment", [False, True])
def test_an_orientation_after_the_pixels_of_a_png_counts(has_comment: bool) -> None:
    """The format allows it, and some cameras' exports have it, among other chunks."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    trailing = _chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    if has_comment:
        trailing = _chunk(b"tEXt", b"date:modify\x002024") + trailing
    plain = _encode(_quadrants(), "PNG")
    content = plain[:-12] + trailing + plain[-12:]
    image, width, height = decode_rgb(content)

    assert (32, 64) == (width, height) == image.size == upright_size(content)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_size_is_known_without_decoding(kind: str) -> None:
    """Files with damaged pixels give the same size as intact ones."""
    content = _encode(_noise(), kind, **({"compression": "tiff_lzw"} if kind == "TIFF" else {}))
    damaged = bytearray(content)
    middle = slice(len(content) * 2 // 5, len(content) * 4 // 5)
    damaged[middle] = bytes(0xA5 ^ byte for byte in damaged[middle])
    if kind == "TIFF":  # its directory is at the end
        damaged = bytearray(content)
        damaged[20:4000] = b"\xff" * 3980

    assert (200, 160) == upright_size(content) == upright_size(bytes(damaged))


def test_the_size_of_a_png_is_known_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow alone would decode it to look for an orientation after the pixels."""
    content = _encode(_noise(), "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda _: pytest.fail("decoded"))

    assert (200, 160) == upright_size(content)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "GIF"), ("RGBA", "TIFF"), ("RGBA", "AVIF")],
)  # fmt: skip
def test_transparency_becomes_white(mode: str, kind: str) -> None:
    """Transparent pixels become white, not black; opaque ones don't change."""
    image = Image.new(mode, (40, 40), (0,) * len(mode))
    image.paste((0,) * (len(mode) - 1) + (255,), (0, 0, 20, 40))
    found, _, _ = decode_rgb(_encode(image, kind))

    assert (255, 255, 255) == found.getpixel((35, 20))
    assert max(found.getpixel((5, 20))) < 20  # type: ignore[type-var,arg-type]


@pytest.mark.parametrize(("mode", "transparent"), [("P", 0), ("L", 0), ("RGB", (0, 0, 0)), ("1", 0)])
def test_a_colour_declared_transparent_becomes_white(mode: str, transparent: object) -> None:
    """A PNG without alpha can declare one."""
    found, _, _ = decode_rgb(_encode(Image.new(mode, (4, 4), 0), "PNG", transparency=transparent))

    assert (255, 255, 255) == found.getpixel((0, 0))


@pytest.mark.parametrize(("mode", "kind"), [("I;16", "PNG"), ("I;16", "TIFF"), ("I;16B", "TIFF")])
@pytest.mark.parametrize(("level", "grey"), [(0, 0), (32768, 128), (65535, 255)])
def test_sixteen_bits_keep_their_brightness(mode: str, kind: str, level: int, grey: int) -> None:
    """Mid grey in 16 bits is mid grey in 8, in either byte order."""
    image, _, _ = decode_rgb(_encode(Image.new(mode, (4, 4), level), kind))

    assert (grey, grey, grey) == image.getpixel((0, 0))


@pytest.mark.parametrize(
    ("kind", "levels", "greys"),
    [
        ("int32", [0, 128, 255, -5], [0, 128, 255, 0]),
        ("int32", [0, 32768, 65535, 0], [0, 127, 255, 0]),
        ("int32", [0, 1_000_000, 2_000_000, 0], [0, 127, 255, 0]),
        ("float32", [0.0, 0.5, 1.0, -1.0], [0, 127, 255, 0]),
        ("float32", [0.0, 128.0, 255.0, float("nan")], [0, 128, 255, 0]),
        ("float32", [0.0, 5e8, 1e9, float("-inf")], [0, 127, 255, 0]),
        ("float32", [0.0, 0.5, 1.0, 1.01], [0, 127, 255, 255]),
        ("float32", [0.0, 128.0, 255.0, 300.0], [0, 128, 255, 255]),
        ("float32", [0.0, 0.5, 1.0, 3e38], [0, 127, 255, 0]),
        ("float32", [0.0, 0.5, 1.0, 1e20], [0, 127, 255, 0]),
    ],
)
def test_wide_levels_become_visible(kind: str, levels: list[float], greys: list[int]) -> None:
    """32-bit pictures don't define white: it is the end of the range of 1, 8 or 16 bits that fits, otherwise
    the brightest level. A float that is slightly brighter is white, too; an absurd one is ignored."""
    image, _, _ = decode_rgb(_encode(Image.fromarray(np.array([levels], kind)), "TIFF"))

    assert [(grey, grey, grey) for grey in greys] == [image.getpixel((x, 0)) for x in range(4)]


def _cmyk_jpeg(components: tuple[int, int, int, int], transform: int) -> bytes:
    """A JPEG like those of Adobe's programs: inverted, with a marker for CMY stored as YCC."""
    content = _encode(Image.new("CMYK", (32, 32), tuple(255 - c for c in components)), "JPEG", quality=100)
    marker = content.index(b"Adobe")
    return content[: marker + 11] + bytes([transform]) + content[marker + 12 :]


def test_inverted_cmyk_is_not_a_negative() -> None:
    """Adobe stores 255 for no ink. Here: full cyan, and no other ink."""
    image, _, _ = decode_rgb(_cmyk_jpeg((0, 255, 255, 255), transform=0))
    red, green, blue = image.getpixel((16, 16))  # type: ignore[misc]

    assert red < 20 and green > 235 and blue > 235


def test_cmyk_stored_as_ycck_is_converted_back() -> None:
    """The same cyan: its ink as luma and chroma is Y 76, Cb 85, Cr 255."""
    image, _, _ = decode_rgb(_cmyk_jpeg((76, 85, 255, 255), transform=2))
    red, green, blue = image.getpixel((16, 16))  # type: ignore[misc]

    assert red < 20 and green > 235 and blue > 235


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_the_first_frame_of_an_animation_is_read(kind: str) -> None:
    """Also the first page of a TIFF."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue", "lime")]
    image, width, height = decode_rgb(_encode(frames[0], kind, save_all=True, append_images=frames[1:]))
    red, green, blue = image.getpixel((16, 16))  # type: ignore[misc]

    assert (32, 32) == (width, height)
    assert red > 200 and green < 60 and blue < 60


def test_a_draft_is_smaller_but_never_below_the_requested_size() -> None:
    """A JPEG is decoded at a reduced scale; the reported size is the original's."""
    image, width, height = decode_rgb(_encode(Image.new("RGB", (1600, 1200)), "JPEG"), draft_side_px=224)

    assert (width, height) == (1600, 1200)
    assert image.size == (400, 300)


LOSSLESS_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/wwALCAAgACABAREA/8QAFQABAQAAAAAAAAAAAAAAAAAAAAj/2gAIAQEAAQAAn8AAWQAA"
    "AAAsgAAAABZAAAAACyAAAAAFkAAAAALIAAAAAWQAAAAAsgAAAABZAAAAACyAAAAAFkAAAAALIAAAAAWQAAAAAsgAAAABZAAA"
    "AACyAAAAAFkAAAAALIAAAAAWQAAAAAsgAAAABZAAAAACyAAAAAFkAAAAALIAAAAAWQAAAAAsgAAAABZAAAAACyAAAAAFkAAA"
    "AALIAAAAAWQAAAAAsgAAf//Z"
)
"""Of 32 x 32 grey pixels: 0 on the left, 200 on the right."""

JPEG_LS = base64.b64decode(
    "/9j/6AAgU1BJRkYAAgAAAQAAACAAAAAgCggGAQAAASwAAAEs/+gACAAAAAH/2P/3AAsIACAAIAEBEQD/2gAIAQEAAAAA/0AA"
    "AFtlf/9CfC6Lg4ODg4ODg4ODg4ODg4ODg4ODg4ODg4ODg4ODg//Z"
)


@pytest.mark.parametrize("draft_side_px", [None, 8])
def test_a_lossless_jpeg_is_decoded_at_full_size(draft_side_px: int | None) -> None:
    """At a reduced one, libjpeg writes beyond its buffer, which ends the process."""
    image, width, height = decode_rgb(LOSSLESS_JPEG, draft_side_px)

    assert (32, 32) == (width, height) == image.size
    assert [(0, 0, 0), (200, 200, 200)] == [image.getpixel((x, 16)) for x in (0, 31)]


def test_jpeg_ls_is_unsupported() -> None:
    """It begins like a JPEG."""
    with pytest.raises(UnreadableImageError, match="unsupported format: JPEG-LS"):
        decode_rgb(JPEG_LS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_a_truncated_file_is_refused(kind: str) -> None:
    """Half a file is refused, with or without a draft."""
    content = _encode(_noise(), kind)
    for draft_side_px in (None, 64):
        with pytest.raises(UnreadableImageError):
            decode_rgb(content[: len(content) // 2], draft_side_px)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty: "), (b"no image" * 9, "unknown format: ")])
def test_a_reason_begins_with_its_class(content: bytes, reason: str) -> None:
    """Failures are counted by the text before the colon."""
    with pytest.raises(UnreadableImageError, match=reason):
        decode_rgb(content)


def test_real_photographs_decode(photos: Path) -> None:
    """Each one decodes to its reported size."""
    for path in sorted(photos.rglob("*.[jJ][pP]*[gG]")):
        image, width, height = decode_rgb(path.read_bytes())

        assert image.size == (width, height)
