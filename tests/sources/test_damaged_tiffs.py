"""TIFFs with missing or zeroed strips or tiles are refused; intact ones aren't."""

import struct
from collections.abc import Sequence
from random import Random

import pytest
from PIL import Image, ImageDraw

from tests.sources.test_damaged_pictures import encoded, is_refused, like_a_photograph
from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "F"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_tiff_cut_anywhere_is_refused(mode: str, compression: str | None) -> None:
    """Whether the pixels come last, as Pillow writes plain TIFFs, or the directory."""
    content = encoded(like_a_photograph(11, 20, 15).convert(mode), "TIFF", compression=compression)

    assert not is_refused(content)
    assert all(is_refused(content[:-missing]) for missing in range(1, len(content)))


def tiff_with_pixels_last(pixels: bytes, *entries: tuple[int, Sequence[int]]) -> bytes:
    """A TIFF with these tags, whose offsets count from the first pixel."""
    lists_at = 8 + 2 + 12 * len(entries) + 4
    first_pixel = lists_at + sum(4 * len(values) for _, values in entries if len(values) > 1)
    directory, lists = struct.pack("<H", len(entries)), b""
    for tag, values in entries:
        numbers = [value + first_pixel for value in values] if tag in (273, 324) else values
        packed = struct.pack(f"<{len(numbers)}L", *numbers)
        directory += struct.pack("<HHL", tag, 4, len(numbers))
        directory += packed if len(numbers) == 1 else struct.pack("<L", lists_at + len(lists))
        lists += packed if len(numbers) > 1 else b""
    return b"II*\0\x08\0\0\0" + directory + bytes(4) + lists + pixels


STRIPS = (
    (256, [8]),
    (257, [5]),
    (258, [8]),
    (259, [1]),
    (262, [1]),
    (273, [0, 16, 32]),
    (277, [1]),
    (278, [2]),
)
TILES = ((256, [20]), (257, [18]), (258, [8]), (259, [1]), (262, [1]), (277, [1]), (322, [16]), (323, [16]))


@pytest.mark.parametrize(
    ("size_bytes", "entries"),
    [
        (40, (*STRIPS, (279, [16, 16, 8]))),
        (40, (*STRIPS, (279, [40, 40, 40]))),
        (40, (*STRIPS, (279, [0, 0, 0]))),
        (40, STRIPS),
        (1024, (*TILES, (324, [0, 256, 512, 768]), (325, [256] * 4))),
        (1024, (*TILES, (324, [0, 256, 512, 768]))),
        (
            120,
            (*STRIPS[:2], (258, [8] * 3), (259, [1]), (262, [2]), (273, [0, 40, 80]), (277, [3]), (284, [2])),
        ),
    ],
    ids=["strips", "counts of all", "counts of 0", "no counts", "tiles", "tiles without counts", "planes"],
)
def test_incomplete_strips_and_tiles_are_truncated(
    size_bytes: int, entries: Sequence[tuple[int, Sequence[int]]]
) -> None:
    """Whatever lengths the directory gives."""
    content = tiff_with_pixels_last(Random(0).randbytes(size_bytes), *entries)

    assert not is_refused(content)
    for missing in range(1, size_bytes + 1):
        with pytest.raises(UnreadableImageError, match=r"^truncated: TIFF: its pixels"):
            decode_rgb(content[:-missing])


def a_page(seed: int) -> Image.Image:
    """A page of words, boxes or noise, in black and white."""
    chance = Random(seed)
    if seed % 4 == 3:
        return Image.effect_noise((200, 90), 90).convert("1")
    page = Image.new("1", (chance.choice([33, 300, 1728]), 200), seed % 2)
    pen = ImageDraw.Draw(page)
    for _ in range(30):
        x, y = chance.randrange(page.width), chance.randrange(200)
        if seed % 4 == 2:
            pen.rectangle((x, y, x + chance.randrange(200), y + 30), fill=chance.randrange(2))
        else:
            pen.text((x, y), f"{chance.random()}", fill=1 - seed % 2)
    return page


@pytest.mark.parametrize("fill_order", [1, 2])
@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax_data_with_zeros_in_place_of_codes_is_refused(compression: str, fill_order: int) -> None:
    """Zeros up to the end, or in one sector. Intact files end in few zeros, unless they have an end mark."""
    for seed in range(12):
        content = encoded(a_page(seed), "TIFF", compression=compression, tiffinfo={266: fill_order})
        end = int.from_bytes(content[4:8], "little")
        assert not is_refused(content)
        for at in range(20, end - 8, max(1, end // 7)):
            with pytest.raises(UnreadableImageError, match=r"^truncated: .* zeros"):
                decode_rgb(content[:at] + bytes(end - at) + content[end:])
            if at + 512 < end:
                assert is_refused(content[:at] + bytes(500) + content[at + 500 :])


@pytest.mark.parametrize("fill_order", [1, 2])
def test_zeros_after_the_end_mark_of_fax_data_are_not_damage(fill_order: int) -> None:
    """Some scanners fill up sectors with them."""
    content = encoded(a_page(0), "TIFF", compression="group4", tiffinfo={266: fill_order})
    directory = int.from_bytes(content[4:8], "little")
    pixels = content[8:directory] + bytes(512)
    length_at = content.index(struct.pack("<HHL", 279, 4, 1), directory) + 8
    tags = content[directory:length_at] + struct.pack("<L", len(pixels)) + content[length_at + 4 :]

    assert not is_refused(content[:4] + struct.pack("<L", 8 + len(pixels)) + pixels + tags)
