"""Every kind of pixel becomes RGB of 8 bits per channel, on a white background."""

import io
import struct
import zlib
from collections.abc import Sequence

import pytest
from PIL import Image

from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb, upright_size

Colour = tuple[int, int, int]
WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)
GREY, PALETTE, GREY_ALPHA, RGB, RGBA = 0, 3, 4, 2, 6
"""PNG's colour types."""


def colours(content: bytes, count: int = 2) -> list[Colour]:
    """Colours of the first ``count`` pixels from the left."""
    picture, width, height = decode_rgb(content)
    assert (width, height) == picture.size == upright_size(content)
    return [picture.getpixel((x, 0)) for x in range(count)]  # type: ignore[misc]


def png(kind: int, depth: int, row: bytes, *chunks: tuple[bytes, bytes], width: int = 2) -> bytes:
    """A PNG of one row."""
    header = struct.pack(">LLBBBBB", width, 1, depth, kind, 0, 0, 0)
    all_chunks = ((b"IHDR", header), *chunks, (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
        for name, body in all_chunks
    )


def levels(*of: int) -> bytes:
    """Levels of 16 bits each."""
    return struct.pack(f">{len(of)}H", *of)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (png(GREY, 1, b"\x40"), [BLACK, WHITE]),
        (png(GREY, 1, b"\x40", (b"tRNS", levels(0))), [WHITE, WHITE]),
        (png(GREY, 2, b"\x60", (b"tRNS", levels(1))), [WHITE, (170, 170, 170)]),
        (png(GREY, 2, b"\x60", (b"tRNS", levels(3))), [(85, 85, 85), (170, 170, 170)]),
        (png(GREY, 4, b"\x3c", (b"tRNS", levels(3))), [WHITE, (204, 204, 204)]),
        (png(GREY, 8, b"\x03\x80", (b"tRNS", levels(3))), [WHITE, (128, 128, 128)]),
        (png(GREY, 16, levels(0x4000, 0x8000)), [(64, 64, 64), (128, 128, 128)]),
        (png(GREY, 16, levels(0x4000, 0x8000), (b"tRNS", levels(0x4000))), [WHITE, (128, 128, 128)]),
        (png(GREY, 16, levels(0x4001, 0x4000), (b"tRNS", levels(0x4000))), [(64, 64, 64), WHITE]),
        (png(GREY_ALPHA, 8, b"\x00\x80\x00\xff"), [(127, 127, 127), BLACK]),
        (png(GREY_ALPHA, 16, levels(0, 0, 0, 65535)), [WHITE, BLACK]),
        (png(RGB, 8, b"\xff\0\0\0\0\0", (b"tRNS", levels(0, 0, 0))), [RED, WHITE]),
        (png(RGB, 16, levels(65535, 0, 0, 0, 0, 0)), [RED, BLACK]),
        (png(RGB, 16, levels(65535, 0, 0, 0x1234, 0, 0), (b"tRNS", levels(0x1234, 0, 0))), [RED, WHITE]),
        (png(RGBA, 8, b"\xff\0\0\xff\0\0\0\0"), [RED, WHITE]),
        (png(RGBA, 16, levels(65535, 0, 0, 65535, 0, 0, 0, 0)), [RED, WHITE]),
        (png(PALETTE, 8, b"\0\1", (b"PLTE", b"\xff\0\0\0\0\0")), [RED, BLACK]),
        (png(PALETTE, 8, b"\0\1", (b"PLTE", b"\xff\0\0\0\0\0"), (b"tRNS", b"\xff\0")), [RED, WHITE]),
        (png(PALETTE, 8, b"\0\1", (b"PLTE", b"\xff\0\0\0\0\0"), (b"tRNS", b"\x80")),
         [(255, 127, 127), BLACK]),
        (png(PALETTE, 1, b"\x40", (b"PLTE", b"\xff\0\0\0\0\0"), (b"tRNS", b"\xff\0")), [RED, WHITE]),
    ],
)  # fmt: skip
def test_pngs_of_every_colour_type_and_depth_are_read(content: bytes, expected: list[Colour]) -> None:
    """With a transparent colour, palette or channel, or none."""
    assert expected == colours(content)


def tiff(row: bytes, bits: Sequence[int], photometric: int, *, form: int = 1, extra: int | None = None,
         order: str = "<", big: bool = False, compression: int = 1) -> bytes:  # fmt: skip
    """A TIFF of two pixels in one row, in either byte order, with 32- or 64-bit offsets."""
    samples = len(bits)
    tags = [(256, 2), (257, 1), (258, bits), (259, compression), (262, photometric), (273, 16 if big else 8),
            (277, samples), (278, 1), (279, len(row)), (339, (form,) * samples)]  # fmt: skip
    tags += [] if extra is None else [(338, extra)]
    at = (16 if big else 8) + len(row) + len(row) % 2
    inline, count, entry, offset = (8, "Q", 20, "Q") if big else (4, "H", 12, "L")
    values_at = at + struct.calcsize(f"={count}{offset}") + entry * len(tags)
    directory, values = struct.pack(f"{order}{count}", len(tags)), b""
    for tag, value in sorted(tags):
        numbers = (value,) if isinstance(value, int) else tuple(value)
        kind, letter = (16, "Q") if big and tag in (273, 279) else (3, "H")
        packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        directory += struct.pack(f"{order}HH{offset}", tag, kind, len(numbers))
        if len(packed) <= inline:
            directory += packed.ljust(inline, b"\0")
        else:
            directory += struct.pack(f"{order}{offset}", values_at + len(values))
            values += packed
    mark = b"II" if order == "<" else b"MM"
    head = mark + (struct.pack(f"{order}HHHQ", 43, 8, 0, at) if big else struct.pack(f"{order}HL", 42, at))
    return (head + row).ljust(at, b"\0") + directory + bytes(inline) + values


@pytest.mark.parametrize("big", [False, True], ids=["tiff", "bigtiff"])
@pytest.mark.parametrize("order", "<>", ids=["little", "big"])
def test_tiffs_of_every_kind_and_depth_are_read(order: str, big: bool) -> None:
    """In either byte order, with offsets of 32 or 64 bits."""
    for row, bits, photometric, more, expected in [
        (b"\x80", (1,), 1, {}, [WHITE, BLACK]),
        (b"\x80", (1,), 0, {}, [BLACK, WHITE]),
        (b"\x40\x80", (8,), 0, {}, [(191, 191, 191), (127, 127, 127)]),
        (struct.pack(f"{order}2H", 65535, 32768), (16,), 1, {}, [WHITE, (128, 128, 128)]),
        (struct.pack(f"{order}2H", 65535, 16384), (16,), 0, {}, [BLACK, (191, 191, 191)]),
        (b"\xff\0\0\0\0\0", (8, 8, 8), 2, {}, [RED, BLACK]),
        (struct.pack(f"{order}6H", 65535, 0, 0, 0, 32768, 0), (16, 16, 16), 2, {}, [RED, (0, 128, 0)]),
        (struct.pack(f"{order}2f", 1, 0.5), (32,), 1, {"form": 3}, [WHITE, (127, 127, 127)]),
        (struct.pack(f"{order}2f", 1, 0.25), (32,), 0, {"form": 3}, [BLACK, (192, 192, 192)]),
        (b"\x87\x50\x43\xff\0\0", (8, 8, 8), 8, {}, [(249, 3, 10), (254, 255, 254)]),
        (b"\xff\0\0\xff\0\xff\0\0", (8, 8, 8, 8), 2, {"extra": 2}, [RED, WHITE]),
        (b"\xff\0\0\xff\0\x80\0\x80", (8, 8, 8, 8), 2, {"extra": 1}, [RED, (127, 255, 127)]),
        (b"\0\xff\0\0", (8, 8), 1, {"extra": 2}, [BLACK, WHITE]),
        (b"\xff\0\0\0\0\0\0\0", (8, 8, 8, 8), 5, {}, [(0, 255, 255), WHITE]),
    ]:
        content = tiff(row, bits, photometric, order=order, big=big, **more)  # type: ignore[arg-type]

        assert expected == colours(content)


def test_a_jpeg_2000_with_colours_of_many_bits_is_refused() -> None:
    """Pillow would make white black, and all of a picture with opaque alpha white. Grey is read."""
    for mode in ("RGB", "RGBA", "LA"):
        buffer = io.BytesIO()
        Image.new(mode, (8, 8), "white").save(buffer, "JPEG2000")
        content = buffer.getvalue()
        precision = content.index(b"\xff\x4f\xff\x51") + 42

        assert [WHITE, WHITE] == colours(content)
        with pytest.raises(UnreadableImageError, match="unsupported format: JPEG 2000: colours of 16 bits"):
            decode_rgb(content[:precision] + b"\x0f" + content[precision + 1 :])


@pytest.mark.parametrize("order", "<>", ids=["little", "big"])
@pytest.mark.parametrize("photometric", [0, 1], ids=["white is 0", "black is 0"])
@pytest.mark.parametrize(
    ("numbers", "levels", "form"),
    [("2H", (0, 65535), 1), ("2h", (0, 255), 2), ("2i", (0, 255), 2), ("2f", (0, 1), 3)],
    ids=["16 bits", "16 bits, signed", "32 bits, signed", "floats"],
)
def test_compressed_levels_of_many_bits_are_read(
    numbers: str, levels: tuple[int, int], form: int, photometric: int, order: str
) -> None:
    """libtiff gives them in the machine's byte order, not in the file's."""
    row = struct.pack(f"{order}{numbers}", *levels)
    bits = 8 * len(row) // 2
    content = tiff(zlib.compress(row), (bits,), photometric, form=form, order=order, compression=8)

    assert ([BLACK, WHITE] if photometric else [WHITE, BLACK]) == colours(content)


def test_tiffs_of_twelve_bits_keep_their_brightness() -> None:
    """Microscopes and scanners write them."""
    assert [WHITE, (128, 128, 128)] == colours(tiff(b"\xff\xf8\x00", (12,), 1))
    assert [BLACK, (127, 127, 127)] == colours(tiff(b"\xff\xf8\x00", (12,), 0))


@pytest.mark.parametrize(
    ("row", "bits", "photometric", "form"),
    [(bytes(24), (32, 32, 32), 2, 3), (bytes(16), (64,), 1, 3), (bytes(12), (16, 16, 16), 8, 1)],
    ids=["floats of colours", "64 bits", "Lab of 16 bits"],
)
def test_an_unsupported_tiff_is_refused_with_the_true_reason(
    row: bytes, bits: tuple[int, ...], photometric: int, form: int
) -> None:
    """It is an intact TIFF, but no decoder supports such pixels."""
    with pytest.raises(UnreadableImageError, match="unsupported format: TIFF: unknown pixel mode"):
        decode_rgb(tiff(row, bits, photometric, form=form))


def test_a_tiff_of_unknown_compression_is_unsupported() -> None:
    """Such as JPEG 2000, which pathology scanners use."""
    unpacked = struct.pack("<HHLHH", 259, 3, 1, 1, 0)
    content = tiff(bytes(6), (8, 8, 8), 2)

    assert content.count(unpacked) == 1
    with pytest.raises(UnreadableImageError, match="unsupported format: TIFF: compression 34712"):
        decode_rgb(content.replace(unpacked, struct.pack("<HHLHH", 259, 3, 1, 34712, 0)))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_ink_is_white(kind: str) -> None:
    """In TIFF, and in JPEG, where all programs store it inverted."""
    for ink, expected in (((0, 0, 0, 0), WHITE), ((0, 0, 0, 255), BLACK), ((0, 255, 255, 0), RED)):
        buffer = io.BytesIO()
        Image.new("CMYK", (16, 16), ink).save(buffer, kind)
        (found,) = colours(buffer.getvalue(), 1)

        assert max(abs(a - b) for a, b in zip(expected, found, strict=True)) <= 2


def test_transparent_gifs_and_one_bit_bmps_are_read() -> None:
    """A GIF with a transparent palette index, and a BMP of one bit per pixel."""
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    gif, bmp = io.BytesIO(), io.BytesIO()
    picture.save(gif, "GIF", transparency=1)
    one_bit = Image.new("1", (2, 1), 0)
    one_bit.putpixel((1, 0), 1)
    one_bit.save(bmp, "BMP")

    assert [RED, WHITE] == colours(gif.getvalue())
    assert [BLACK, WHITE] == colours(bmp.getvalue())


@pytest.mark.parametrize(
    ("alphas", "expected"),
    [((0, 0), [RED, BLACK]), ((255, 0), [RED, WHITE]), ((0, 128), [WHITE, (127, 127, 127)])],
)
def test_alpha_of_a_bmp_is_ignored_if_it_is_0_everywhere(
    alphas: tuple[int, int], expected: list[Colour]
) -> None:
    """Many programs write such files and show them opaque. If any pixel's alpha isn't 0, alpha counts."""
    masks = struct.pack("<4L", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<LllHHLLllLL", 108, 2, 1, 1, 32, 3, 8, 0, 0, 0, 0) + masks + bytes(52)
    pixels = bytes((0, 0, 255, alphas[0], 0, 0, 0, alphas[1]))

    assert expected == colours(struct.pack("<2sLHHL", b"BM", 0, 0, 0, 14 + 108) + header + pixels)
