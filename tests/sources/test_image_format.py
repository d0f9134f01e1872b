"""An image's format is recognised from its first bytes."""

import io

import pytest
from PIL import Image

from triptych.sources.image_format import HEAD_BYTES, image_format


def _encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WebP"), ("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"),
     ("AVIF", "AVIF"), ("JPEG2000", "JPEG 2000"), ("PPM", "Netpbm"), ("ICO", "icon"),
     ("DDS", "DirectDraw Surface"), ("QOI", "QOI")],
)  # fmt: skip
def test_each_format_is_recognised(kind: str, name: str) -> None:
    """As written by Pillow."""
    found = image_format(_encoded(kind)[:HEAD_BYTES])

    assert found is not None
    assert name == found.name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "AVIF"),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0hevcmsf1", "HEIC"),
        (b"\0\0\0\x20ftypavis\0\0\0\0avifavismsf1iso8", "AVIF"),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (b"\xff\x4f\xff\x51\0\x29", "JPEG 2000"),
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (b"II+\0\x08\0\0\0", "TIFF"),
        (b"P5 # by hand\n 3 2 255 ", "Netpbm"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "camera raw"),
    ],
)
def test_brands_and_marks_of_other_writers_are_recognised(head: bytes, name: str) -> None:
    """HEIC and AVIF are distinguished, though they share a container format."""
    found = image_format(head.ljust(HEAD_BYTES, b"\0"))

    assert found is not None
    assert name == found.name


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"%PDF-1.7\n", b"BM is a text", b"P5 is a text",
     b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", b"RIFF\0\0\0\0WAVEfmt ",
     b"\0" * 64, b"\0\0\0\x18ftyp", b"PK\x03\x04", b"\x1f\x8b\x08\0", b"<svg xmlns=", b"\x89HDF\r\n\x1a\n"],
)  # fmt: skip
def test_other_files_have_no_format(head: bytes) -> None:
    """Texts, PostScript, videos and archives."""
    assert image_format(head) is None
