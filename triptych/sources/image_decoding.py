"""Decodes images to upright RGB pictures.

Comes in: a file's bytes. Goes out: an upright RGB picture, transparent parts on white. Metadata is removed
before decoding, so that broken metadata can't make an image unreadable. An image whose pixels are truncated
or damaged is refused, as far as its format shows that. Not its job: the single formats (see pixels).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from PIL import Image, ImageChops, ImageFile, TiffImagePlugin, _imaging

from triptych.errors import UnreadableImageError
from triptych.executors.memory_budget import MemoryBudget
from triptych.sources.image_format import ImageFormat, image_format, missing_decoder
from triptych.sources.pixels import chunks, jpeg, libtiff_errors, tiff
from triptych.sources.pixels.bare_file import BareFile, from_metadata, turned_upright
from triptych.sources.pixels.bare_file import upright_size as size_upright
from triptych.sources.pixels.to_rgb import reduced_to_rgb, to_rgb

MAX_PIXELS = 400_000_000
"""Larger pictures are refused: decompression bombs, or scans that no vision tower can use."""

LARGE_PIXELS = 32_000_000
"""A larger picture is reduced while it is converted, if a smaller one will do."""

DECODED_AT_ONCE_PIXELS = 256_000_000
"""By all threads of a process: 1 GiB at Pillow's 4 bytes per pixel. A larger picture is decoded alone."""

MAX_HEAD_BYTES = 4096
"""To recognise the format: Netpbm files may begin with comments."""

TRUNCATED = ("truncat", "premature end of jpeg")
"""Words of decoders for truncated files."""

ADVICE = " Please build "
"""What follows it in a message of JPEG XL's decoder is for those who develop it."""

_DECODING = MemoryBudget(DECODED_AT_ONCE_PIXELS)

MAX_ERRORS = 3
"""Of libtiff in a reason: it may report one for each row."""

_BIG_ENDIAN = re.compile(r"(?<=;)(16|32)B")
"""In Pillow's name of how levels are stored. libtiff gives them in this machine's order, which Pillow
forgets except for unsigned 16 bits."""

_BARE_FILES = {
    "AVIF": chunks.bare_avif,
    "HEIC": chunks.bare_heic,
    "JPEG": jpeg.bare_file,
    "JPEG 2000": chunks.bare_jpeg_2000,
    "JPEG XL": chunks.bare_jxl,
    "PNG": chunks.bare_png,
    "TIFF": tiff.bare_file,
    "WebP": chunks.bare_webp,
}
"""Formats whose metadata can break decoding, or whose decoder ignores missing pixels."""


def decode_rgb(content: bytes, draft_side_px: int | None = None) -> tuple[Image.Image, int, int]:
    """The upright RGB picture, and the width and height in pixels of the upright original.

    With ``draft_side_px`` a JPEG is decoded at 1/2, 1/4 or 1/8 scale, as long as both sides stay at least
    that long, which is 2.7 times faster on 1500-pixel photographs. Large pictures of other formats are
    reduced to save memory. Raises UnreadableImageError. Thread-safe.
    """
    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise RuntimeError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set in this process; it hides damage")
    opened = _open(content)
    image = opened.image
    with image:
        width, height = image.size
        _refuse_too_large(width, height)
        if opened.bare.damage is not None:
            raise _unreadable(opened.format, opened.bare.damage)
        is_jpeg = opened.format.name == "JPEG"
        if is_jpeg and draft_side_px is not None and not jpeg.is_lossless(opened.bare.content):
            image.draft("RGB", (draft_side_px, draft_side_px))
        # The coefficients of a progressive JPEG are in memory at full size.
        pixels = width * height if "progressive" in image.info else image.width * image.height
        with _DECODING.held(pixels):
            try:
                decoded = jpeg.decoded(opened.bare, image) if is_jpeg else _loaded(image)
                if opened.bare.without_zeros is not None and _is_picture(opened):
                    raise OSError(chunks.FILLED_UP)
                if draft_side_px is None or decoded.width * decoded.height <= LARGE_PIXELS:
                    picture = to_rgb(decoded, opened.bare.white)
                else:
                    picture = reduced_to_rgb(decoded, draft_side_px, opened.bare.white)
                if opened.bare.inverted:
                    picture = ImageChops.invert(picture)
            except Exception as error:  # decoders raise anything on damaged bytes
                raise _unreadable(opened.format, error) from None
    return turned_upright(picture, opened.orientation), *size_upright((width, height), opened.orientation)


def upright_size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels of the upright picture, from the header alone.

    Raises UnreadableImageError if the header can't be read. The pixels may still be damaged.
    """
    opened = _open(content)
    with opened.image:
        return size_upright(opened.image.size, opened.orientation)


class _Opened(NamedTuple):
    """A file whose header was read."""

    format: ImageFormat
    bare: BareFile
    image: ImageFile.ImageFile

    @property
    def orientation(self) -> int:
        """Pillow reports that of an AVIF as EXIF. The decoders of HEIC and JPEG XL turn the picture
        themselves, except for a JPEG inside a JPEG XL."""
        if self.format.name == "AVIF" or getattr(self.image, "jpeg", False):
            return from_metadata(self.image.info.get("exif", b""))
        return self.bare.orientation


def _open(content: bytes) -> _Opened:
    if not content:
        raise UnreadableImageError("empty: the file has no bytes")
    found = image_format(content[:MAX_HEAD_BYTES])
    if found is None:
        raise UnreadableImageError("unknown format: no image format matches the bytes")
    decoder = _decoder(found)
    bare = BareFile(b"")
    try:
        bare = _BARE_FILES.get(found.name, BareFile)(content)
        if bare.size is not None:
            _refuse_too_large(*bare.size)
        return _Opened(found, bare, decoder(io.BytesIO(bare.content), ""))
    except UnreadableImageError:
        raise
    except Exception as error:  # as above
        if bare.damage is not None:
            raise _unreadable(found, bare.damage) from None
        raise _unreadable(found, error, "unsupported or damaged") from None


def _refuse_too_large(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(f"too large: {width} x {height} pixels")


def _decoder(found: ImageFormat) -> Callable[[io.BytesIO, str], ImageFile.ImageFile]:
    if found.decoder is None:
        raise UnreadableImageError(f"unsupported format: {found.name}")
    module, _, name = found.decoder.rpartition(".")
    try:
        decoder: Callable[[io.BytesIO, str], ImageFile.ImageFile] = getattr(import_module(module), name)
    except ImportError:
        raise UnreadableImageError(missing_decoder(found)) from None
    return decoder


def _loaded(image: ImageFile.ImageFile) -> Image.Image:
    """The decoded picture. Raises OSError on an error of Pillow or libtiff."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        image.load()
        if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
            return image.convert("RGB")  # many programs write 0, and viewers ignore it
        return image
    image.im = _imaging.new(image.mode, image.size)  # avoids Pillow's own limit on pixels
    for at, tile in enumerate(image.tile):
        if tile.codec_name == "libtiff" and isinstance(tile.args, tuple):
            image.tile[at] = tile._replace(args=(_BIG_ENDIAN.sub(r"\1N", tile.args[0]), *tile.args[1:]))
    with libtiff_errors.captured_errors() as errors:
        try:
            image.load()
        except OSError as error:
            raise OSError("; ".join([*errors[:MAX_ERRORS], str(error)])) from None
    if errors:
        raise OSError("; ".join(errors[:MAX_ERRORS]))
    return image


def _is_picture(opened: _Opened) -> bool:
    """Whether it can be decoded without the zeros at its end."""
    try:
        with _decoder(opened.format)(io.BytesIO(opened.bare.without_zeros or b""), "") as image:
            image.load()
    except Exception:  # as above
        return False
    return True


def _unreadable(found: ImageFormat, error: Exception | str, kind: str = "damaged") -> UnreadableImageError:
    """The error with its reason: its class, the format, and the decoder's message."""
    message = " ".join(str(error).split()).partition(ADVICE)[0] or type(error).__name__
    if isinstance(error, MemoryError):
        kind = "too large"
    elif "unknown pixel mode" in message or "not configured" in message:
        kind = "unsupported format"
    elif any(word in message.lower() for word in TRUNCATED):
        kind = "truncated"
    return UnreadableImageError(f"{kind}: {found.name}: {message}")
