"""Bytes to upright RGB pictures; the one place where an image is decoded.

Comes in: a file's bytes. Goes out: an RGB picture, turned upright, alpha laid on white. Pixels decide: what
else a file holds is left out before a decoder sees it, and can't make it unreadable. A file whose pixels are
cut short or damaged is refused, never greyed out, as far as its format shows it. Not its job: finding the
bytes, and the formats' own ways (see pixels).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from PIL import Image, ImageChops, ImageFile, TiffImagePlugin, _imaging

from triptych.errors import UnreadableImageError
from triptych.executors.memory_budget import MemoryBudget
from triptych.sources.image_format import ImageFormat, image_format, missing_decoder
from triptych.sources.pixels import chunks, jpeg, jpeg_2000, libtiff, tiff
from triptych.sources.pixels.bare_file import BareFile, from_metadata, turned_upright
from triptych.sources.pixels.bare_file import upright_size as size_upright
from triptych.sources.pixels.to_rgb import reduced_to_rgb, to_rgb

MAX_PIXELS = 400_000_000
"""More is refused: a decompression bomb or a scan that no vision tower can use."""

LARGE_PIXELS = 32_000_000
"""A picture with more is reduced while it is converted, where a smaller one will do."""

DECODED_AT_ONCE_PIXELS = 256_000_000
"""By all threads of a process: 1 GiB, at Pillow's 4 bytes a pixel. A larger picture is decoded alone."""

MAX_HEAD_BYTES = 4096
"""That are looked at for the format, which may begin with comments."""

TRUNCATED = ("truncat", "premature end of jpeg")
"""What decoders call files that are cut short."""

_DECODING = MemoryBudget(DECODED_AT_ONCE_PIXELS)

MOST_ERRORS = 3
"""Of libtiff's that are told: it may have one for each row."""

_BARE_FILES = {
    "AVIF": chunks.bare_avif,
    "HEIC": chunks.bare_heic,
    "JPEG": jpeg.bare_file,
    "JPEG 2000": jpeg_2000.bare_file,
    "JPEG XL": chunks.bare_jxl,
    "PNG": chunks.bare_png,
    "TIFF": tiff.bare_file,
    "WebP": chunks.bare_webp,
}
"""The formats whose metadata could be in the way, or whose decoder passes over what lacks."""


def decode_rgb(content: bytes, draft_side_px: int | None = None) -> tuple[Image.Image, int, int]:
    """The upright RGB picture, and the width and height in pixels of the upright original.

    With ``draft_side_px`` a JPEG is decoded at 1/2, 1/4 or 1/8 scale, as long as both sides stay at
    least that long: 2.7 times faster on 1500-pixel photographs, and the picture is smaller than the
    original. Another large picture is reduced likewise, so that little memory is held. Raises
    UnreadableImageError with the class and cause as its reason. For any number of threads.
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
        if is_jpeg and draft_side_px is not None:
            image.draft("RGB", (draft_side_px, draft_side_px))
        held = width * height if "progressive" in image.info else image.width * image.height
        with _DECODING.held(held):
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

    Raises UnreadableImageError where there is no header to read. What follows it may be damaged.
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
        """AVIF's decoder gives its own as EXIF. Those of HEIC and JPEG XL turn the picture themselves, but
        for a JPEG inside."""
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
    """The picture, where neither Pillow nor libtiff has anything to say against it."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        image.load()
        if image.format == "BMP" and image.mode == "RGBA" and not image.getchannel("A").getbbox():
            return image.convert("RGB")  # many programs leave BMP's alpha 0, and none that shows it minds
        return image
    image.im = _imaging.new(image.mode, image.size)  # else Pillow's own limit on pixels would count
    with libtiff.errors_kept() as errors:
        try:
            image.load()
        except OSError as error:
            raise OSError("; ".join([*errors[:MOST_ERRORS], str(error)])) from None
    if errors:
        raise OSError("; ".join(errors[:MOST_ERRORS]))
    return image


def _is_picture(opened: _Opened) -> bool:
    """Whether it is one without the zeros at its end."""
    try:
        with _decoder(opened.format)(io.BytesIO(opened.bare.without_zeros or b""), "") as image:
            image.load()
    except Exception:  # as above
        return False
    return True


def _unreadable(found: ImageFormat, error: Exception | str, kind: str = "damaged") -> UnreadableImageError:
    """The class of what is wrong, and which decoder failed with what."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        kind = "too large"
    elif "unknown pixel mode" in said:
        kind = "unsupported format"
    elif any(word in said.lower() for word in TRUNCATED):
        kind = "truncated"
    return UnreadableImageError(f"{kind}: {found.name}: {said}")
