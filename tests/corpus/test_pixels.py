"""Bytes become upright RGB pictures, or a reason."""

import io
from pathlib import Path

import pytest
from PIL import Image

from corpus.errors import UnreadableImageError
from corpus.pixels import decode_rgb


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("LA", "PNG"),
     ("1", "PNG"), ("I;16", "PNG"), ("RGB", "WEBP"), ("P", "GIF"), ("RGB", "BMP"), ("RGB", "TIFF"),
     ("F", "TIFF")],
)  # fmt: skip
def test_every_mode_becomes_rgb(mode: str, kind: str) -> None:
    """The picture has three channels and the original's size."""
    image, width, height = decode_rgb(_encode(Image.new(mode, (40, 30)), kind))

    assert (image.mode, image.size, width, height) == ("RGB", (40, 30), 40, 30)


def test_orientation_is_applied_to_picture_and_size() -> None:
    """EXIF 6 means: turn it by 90 degrees."""
    exif = Image.Exif()
    exif[0x0112] = 6
    left_red = Image.new("RGB", (64, 32), "blue")
    left_red.paste("red", (0, 0, 32, 32))
    image, width, height = decode_rgb(_encode(left_red, "JPEG", exif=exif))

    assert (32, 64) == (width, height) == image.size
    assert image.getpixel((16, 8))[0] > 200  # type: ignore[index]


def test_alpha_is_laid_on_white() -> None:
    """What is transparent is white, not black."""
    image, _, _ = decode_rgb(_encode(Image.new("RGBA", (4, 4), (0, 0, 0, 0)), "PNG"))

    assert image.getpixel((0, 0)) == (255, 255, 255)


def test_sixteen_bits_keep_their_brightness() -> None:
    """Mid grey of 16 bits is mid grey of 8."""
    image, _, _ = decode_rgb(_encode(Image.new("I;16", (4, 4), 32768), "PNG"))

    assert image.getpixel((0, 0)) == (128, 128, 128)


def test_a_draft_is_smaller_but_never_below_what_was_asked() -> None:
    """JPEG scaling saves work and keeps the stated size that of the original."""
    image, width, height = decode_rgb(_encode(Image.new("RGB", (1600, 1200)), "JPEG"), draft_side_px=224)

    assert (width, height) == (1600, 1200)
    assert image.size == (400, 300)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_cut_short_is_refused(kind: str) -> None:
    """Half a picture is not a picture, draft or not."""
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    half = _encode(noise, kind)[: 200 * 20]
    for draft_side_px in (None, 64):
        with pytest.raises(UnreadableImageError):
            decode_rgb(half, draft_side_px)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty: "), (b"no image" * 9, "unknown format: ")])
def test_what_is_no_image_has_its_class_as_reason(content: bytes, reason: str) -> None:
    """Failures are counted by what stands before the colon."""
    with pytest.raises(UnreadableImageError, match=reason):
        decode_rgb(content)


def test_real_photographs_decode(photos: Path) -> None:
    """Whatever the wild holds: every one decodes, upright and whole."""
    for path in sorted(photos.rglob("*.[jJ][pP]*[gG]")):
        image, width, height = decode_rgb(path.read_bytes())

        assert image.size == (width, height)
