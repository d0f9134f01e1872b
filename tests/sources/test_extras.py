"""HEIC and JPEG XL are read with their extras; without one, the reason says what to install."""

import importlib
import io
import sys

import pillow_jxl  # noqa: F401  # Pillow writes JPEG XL from here on
import pytest
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb, upright_size
from triptych.sources.pixels.chunks import bare_jxl

FORMATS = {
    "HEIF": ("pillow_heif", "register_heif_opener", "HEIC", "heif"),
    "JXL": ("pillow_jxl", None, "JPEG XL", "jxl"),
}

HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
JXL_HEADS = (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64), b"\xff\x0a" + bytes(64))


def encoded(kind: str, **options: object) -> bytes:
    """A picture with a black upper half, wider than high, from the extra's own encoder."""
    module, register, *_ = FORMATS[kind]
    extra = importlib.import_module(module)
    if register is not None:
        getattr(extra, register)()
    picture = Image.new("RGB", (48, 32), "white")
    picture.paste("black", (0, 0, 48, 16))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_read_with_its_extra(kind: str) -> None:
    """With the right size, and not rotated."""
    content = encoded(kind)
    picture, width, height = decode_rgb(content)

    assert (48, 32) == (width, height) == picture.size == upright_size(content)
    assert max(picture.getpixel((24, 4))) < 20  # type: ignore[type-var,arg-type]
    assert min(picture.getpixel((24, 28))) > 235  # type: ignore[type-var,arg-type]


def test_the_exif_orientation_of_a_heic_is_ignored() -> None:
    """The decoder applies the format's own properties; phones repeat the orientation in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded("HEIF", exif=exif)
    picture, width, height = decode_rgb(content)

    assert (48, 32) == (width, height) == picture.size == upright_size(content)
    assert max(picture.getpixel((24, 4))) < 20  # type: ignore[type-var,arg-type]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_picture_is_refused(kind: str) -> None:
    """The reason names the format, without advice for those who develop its decoder."""
    content = encoded(kind)
    with pytest.raises(UnreadableImageError, match=FORMATS[kind][2]) as raised:
        decode_rgb(content[: len(content) * 2 // 3])

    assert "build" not in str(raised.value)


@pytest.mark.parametrize("head", [HEIC_HEAD, *JXL_HEADS])
def test_without_the_extra_the_reason_says_what_to_install(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The format is recognised from the bytes."""
    for module in ("pillow_heif", "pillow_jxl", "pillow_jxl.JpegXLImagePlugin"):
        monkeypatch.setitem(sys.modules, module, None)
    _, _, name, extra = FORMATS["HEIF" if head == HEIC_HEAD else "JXL"]
    for read in (decode_rgb, upright_size):
        with pytest.raises(UnreadableImageError) as refused:
            read(head)

        assert f"unsupported format: {name}: install triptych[{extra}]" == str(refused.value)


@pytest.mark.parametrize("size", [(8, 8), (48, 32), (97, 13), (640, 480), (1000, 563), (700, 350)])
def test_the_size_of_a_jpeg_xl_is_known_before_it_is_decoded(size: tuple[int, int]) -> None:
    """For small and large sides, and for widths stored as a ratio; bare and in boxes."""
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "JXL")
    exif = Image.Exif()
    exif[0x0112] = 1
    in_boxes = io.BytesIO()
    Image.new("RGB", size).save(in_boxes, "JXL", exif=exif.tobytes())

    assert size == bare_jxl(buffer.getvalue()).size == bare_jxl(in_boxes.getvalue()).size


def test_a_jpeg_xl_beyond_the_limit_is_not_decoded() -> None:
    """Its decoder would allocate memory for all of it."""
    bits = 0 | 3 << 1 | (60_000 - 1) << 3 | 1 << 33
    with pytest.raises(UnreadableImageError, match=r"^too large: 60000 x 60000 pixels"):
        decode_rgb(b"\xff\x0a" + bits.to_bytes(40, "little"))
