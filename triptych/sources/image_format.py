"""Recognises image formats by a file's first bytes.

Comes in: the first HEAD_BYTES of a file. Goes out: its image format, or None. Not its job: decoding (see
image_decoding), file names (see file_names).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from triptych.extras import is_installed

HEAD_BYTES = 64
"""Enough to recognise every format."""


class ImageFormat(NamedTuple):
    """An image format, and what decodes it."""

    name: str
    decoder: str | None = None
    """Module and class, if there is one. Pillow's own detection would start a program for PostScript."""
    extra: str | None = None
    """The extra that installs the decoder; None for Pillow's own."""


AVIF = ImageFormat("AVIF", "PIL.AvifImagePlugin.AvifImageFile")
HEIC = ImageFormat("HEIC", "pillow_heif.HeifImageFile", extra="heif")

GIT_LFS_START = b"version https://git-lfs"
GIT_LFS = "Git LFS pointer, as in a clone without its files; run `git lfs pull`"

_STARTS: tuple[tuple[re.Pattern[bytes], ImageFormat], ...] = tuple(
    (re.compile(pattern, re.DOTALL), ImageFormat(*names))
    for pattern, *names in (
        (rb"\xff\xd8\xff", "JPEG", "PIL.JpegImagePlugin.JpegImageFile"),
        (rb"\x89PNG\r\n\x1a\n", "PNG", "PIL.PngImagePlugin.PngImageFile"),
        (rb"RIFF....WEBP", "WebP", "PIL.WebPImagePlugin.WebPImageFile"),
        (rb"GIF8[79]a", "GIF", "PIL.GifImagePlugin.GifImageFile"),
        (rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP", "PIL.BmpImagePlugin.BmpImageFile"),
        (rb"II(\*\0|\0\*|\+\0)|MM(\0\*|\*\0|\0\+)", "TIFF", "PIL.TiffImagePlugin.TiffImageFile"),
        (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "JPEG 2000", "PIL.Jpeg2KImagePlugin.Jpeg2KImageFile"),
        (rb"P[1-6]\s(\s*#[^\r\n]*[\r\n])*\s*\d", "Netpbm", "PIL.PpmImagePlugin.PpmImageFile"),
        (
            rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a",
            "JPEG XL",
            "pillow_jxl.JpegXLImagePlugin.JXLImageFile",
            "jxl",
        ),
        (rb"8BPS\0[\x01\x02]", "Photoshop"),
        (rb"\0\0[\x01\x02]\0[\x01-\xff]\0", "icon"),
        (rb"qoif", "QOI"),
        (rb"DDS \x7c\0\0\0", "DirectDraw Surface"),
        (rb"\x76\x2f\x31\x01", "OpenEXR"),
        (rb"#\?(RADIANCE|RGBE)\n", "Radiance HDR"),
        (rb"II\xbc\x01", "JPEG XR"),
        (rb"gimp xcf ", "GIMP"),
        (rb"P7\n", "PAM"),
        (rb"SIMPLE  =", "FITS"),
        (GIT_LFS_START, GIT_LFS),
        (rb"FUJIFILMCCD-RAW|II(RO|RS|U\0)|MMOR|FOVb|....ftypcrx ", "camera raw"),
    )
)
"""Formats by their first bytes."""

MAX_BRANDS_BYTES = 1024
"""Of a list of brands; usual ones take 40."""

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_OTHER_HEIF_BRANDS = frozenset({b"mif1", b"mif2", b"msf1"})
"""Of the format that both are based on. A file with only these goes to the decoder of HEIC."""

_NO_DECODER = re.compile(r"unsupported format: ([^:]+): install ")


def missing_decoder(found: ImageFormat) -> str:
    """The reason to record if a format's decoder isn't installed."""
    return f"unsupported format: {found.name}: install triptych[{found.extra}]"


def has_decoder_now(reasons: str) -> bool:
    """Whether a decoder that was missing according to ``reasons`` is installed now."""
    names = set(_NO_DECODER.findall(reasons))
    formats = [each for each in (HEIC, *(found for _, found in _STARTS)) if each.name in names and each.extra]
    return any(is_installed((each.decoder or "").partition(".")[0]) for each in formats)


def image_format(head: bytes) -> ImageFormat | None:
    """The format of a file that begins with ``head``; None if it isn't an image."""
    for start, found in _STARTS:
        if start.match(head):
            return found
    return _heif_format(head)


def _heif_format(head: bytes) -> ImageFormat | None:
    """AVIF or HEIC, by the brands that the file lists."""
    if head[4:8] != b"ftyp":
        return None
    end = min(len(head), int.from_bytes(head[:4]), MAX_BRANDS_BYTES)
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    first = next((brand for brand in brands if brand in _AVIF_BRANDS | _HEIC_BRANDS), None)
    if first is not None:
        return AVIF if first in _AVIF_BRANDS else HEIC
    return HEIC if not _OTHER_HEIF_BRANDS.isdisjoint(brands) else None
