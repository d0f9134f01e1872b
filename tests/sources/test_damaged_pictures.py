"""Truncated and damaged pictures are refused; intact ones aren't."""

import io
import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from random import Random

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.sources.jpegs_of_any_sampling import Sampling, jpeg_sampled
from tests.support.damaged_files import DAMAGE, SCAN, first_pixel_byte, without_last_scan
from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb


def like_a_photograph(seed: int, width: int = 200, height: int = 150) -> Image.Image:
    """A picture of soft shapes with some grain."""
    chance = np.random.default_rng(seed)
    shapes = Image.fromarray(chance.integers(0, 256, (12, 16, 3), np.uint8)).resize((width, height), 3)
    grain = Image.fromarray(chance.integers(0, 256, (height, width, 3), np.uint8))
    return Image.blend(shapes, grain.filter(ImageFilter.GaussianBlur(1)), 0.3)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def is_refused(content: bytes, draft_side_px: int | None = None) -> bool:
    try:
        decode_rgb(content, draft_side_px)
    except UnreadableImageError:
        return True
    return False


JPEG_OPTIONS = [
    {}, {"progressive": True}, {"optimize": True}, {"restart_marker_rows": 1},
    {"subsampling": 0, "quality": 95},
]  # fmt: skip

MIN_REFUSED = {
    "cut": 1.0, "cut_and_ended": 1.0, "cut_and_filled": 0.9, "one_byte": 0.1, "eight_bytes": 0.7,
    "zeros": 0.8, "noise": 0.8, "lost": 0.8,
}  # fmt: skip
"""The share of damaged files that is refused, at least. libjpeg notices too few or too many bytes; a changed
byte often causes neither."""


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_jpegs_are_refused(name: str) -> None:
    """At least the given share of each kind of damage, with a fixed seed. Drafts refuse the same files."""
    chance = Random(name)
    copies = [
        DAMAGE[name](encoded(like_a_photograph(seed), **jpeg_options), chance)
        for seed in range(12)
        for jpeg_options in JPEG_OPTIONS
    ]
    refused = [is_refused(copy) for copy in copies]

    assert sum(refused) / len(refused) >= MIN_REFUSED[name]
    assert refused == [is_refused(copy, 60) for copy in copies]


COMPRESSIONS: defaultdict[str, list[str]] = defaultdict(list)
COMPRESSIONS["TIFF"] = ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"]
"""Compressions that Pillow can write besides plain files, by format."""


def intact_jpegs() -> Iterator[bytes]:
    for seed in range(6):
        picture = like_a_photograph(seed, 197, 151)
        for jpeg_options in JPEG_OPTIONS:
            yield encoded(picture, **jpeg_options)
            yield encoded(picture.convert("L"), **jpeg_options)
            yield encoded(picture.convert("CMYK"), **jpeg_options)


def test_intact_jpegs_are_not_refused() -> None:
    """In any mode, and with metadata that a library would warn about."""
    for content in intact_jpegs():
        jfif = content.find(b"JFIF\0")
        strange = content[: jfif + 5] + b"\x09\x63" + content[jfif + 7 :] if jfif > 0 else content

        assert not is_refused(content)
        assert not is_refused(strange)


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"subsampling": 0, "quality": 95}])
def test_a_jpeg_with_a_sector_of_zeros_is_refused(options: dict[str, object]) -> None:
    """Wherever it is. Its zeros are valid codes, and some files have the right number of them."""
    content = encoded(like_a_photograph(5), **options)

    for at in range(first_pixel_byte(content), len(content) - 100, 50):
        assert is_refused(content[:at] + bytes(64) + content[at + 64 :])


def test_a_jpeg_with_zeros_as_quantization_steps_is_refused() -> None:
    """It would be plain grey."""
    content = encoded(like_a_photograph(5))
    table = content.index(b"\xff\xdb") + 5

    with pytest.raises(UnreadableImageError, match="zeros are in the place of quantization steps"):
        decode_rgb(content[:table] + bytes(64) + content[table + 64 :])


@pytest.mark.parametrize("options", [{"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("shape", ["plain", "falling", "dots"])
def test_a_plain_jpeg_that_consists_of_zeros_is_intact(shape: str, options: dict[str, object]) -> None:
    """The shortest codes of its tables, all zeros, stand for no change."""
    y, x = np.mgrid[:480, :640]
    levels = {"plain": 0 * x, "falling": 255 - x // 3, "dots": 255 - 255 * ((x % 8 == 0) & (y % 8 == 0))}
    for quality in (1, 50, 100):
        content = encoded(Image.fromarray(levels[shape].astype(np.uint8)), quality=quality, **options)

        assert not is_refused(content)


@pytest.mark.parametrize("seed", range(3))
def test_a_progressive_jpeg_without_its_last_scans_is_refused(seed: int) -> None:
    """With any number of scans missing; the remaining ones would decode without a warning."""
    content = encoded(like_a_photograph(seed), progressive=True)
    scans = len(SCAN.findall(content))
    shorter = content
    for _ in range(scans - 1):
        shorter = without_last_scan(shorter, Random(0))
        with pytest.raises(UnreadableImageError, match="scans are missing"):
            decode_rgb(shorter)


def test_a_jpeg_without_one_component_is_refused() -> None:
    """It has one scan per component, and the last one is missing: colours would be wrong."""
    from tests.support.scans_apart import one_scan_a_component

    content = one_scan_a_component(like_a_photograph(1))

    assert not is_refused(content)
    with pytest.raises(UnreadableImageError, match="scans are missing for 1 of 3 components"):
        decode_rgb(without_last_scan(content, Random(0)))


@pytest.mark.parametrize("back", [1, 2, 3, 40])
def test_a_jpeg_without_its_end_is_truncated(back: int) -> None:
    """Even if only the end marker is missing."""
    content = encoded(like_a_photograph(3))

    with pytest.raises(UnreadableImageError, match=r"^truncated: JPEG: "):
        decode_rgb(content[:-back])


@pytest.mark.parametrize(
    "sampling",
    [
        [(3, 1), (1, 1), (1, 1)],
        [(1, 3), (1, 1), (1, 1)],
        [(4, 2), (1, 1), (1, 1)],
        [(2, 2), (1, 2), (2, 1)],
        [(2, 2), (2, 2), (1, 1)],
    ],
)
def test_a_truncated_jpeg_of_unusual_sampling_is_refused(sampling: Sampling) -> None:
    """Only Pillow decodes it, without a warning: a photograph, a plain picture, and one with a plain end."""
    half_plain = like_a_photograph(1, 90, 70)
    half_plain.paste("white", (0, 30, 90, 70))
    for picture in (like_a_photograph(0, 90, 70), half_plain, Image.new("RGB", (50, 40), "white")):
        content = jpeg_sampled(picture, sampling)
        pixels = content.index(b"\xff\xda") + 14
        shown, *_ = decode_rgb(content)

        assert np.abs(np.asarray(shown, int) - np.asarray(picture, int)).mean() < 25
        for trailer in (b"", b"\xff\xd8 a preview \xff\xd9"):
            assert not is_refused(content + trailer)
            for share in (0, 0.3, 0.9):
                cut_off = content[: pixels + int(share * (len(content) - pixels))] + b"\xff\xd9" + trailer
                with pytest.raises(UnreadableImageError, match=r"^truncated: JPEG: "):
                    decode_rgb(cut_off)


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_pngs_are_refused(name: str) -> None:
    """All of them are, because every chunk has a checksum."""
    content, chance = encoded(like_a_photograph(5), "PNG"), Random(name)
    for _ in range(20):
        damaged = DAMAGE[name](content[:-12], chance) + content[-12:]
        if damaged != content:
            assert is_refused(damaged)


@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "jpeg", "tiff_lzw"])
@pytest.mark.parametrize("name", ["zeros", "noise", "eight_bytes"])
def test_damaged_tiffs_are_refused(compression: str, name: str) -> None:
    """At least three of four, with compressions that can detect it."""
    content, chance = encoded(like_a_photograph(6), "TIFF", compression=compression), Random(name)
    directory = int.from_bytes(content[4:8], "little")
    assert not is_refused(content)
    refused = [is_refused(DAMAGE[name](content[:directory], chance) + content[directory:]) for _ in range(20)]

    assert sum(refused) >= 15


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM"])
def test_truncated_files_are_called_so_if_the_format_shows_it(kind: str) -> None:
    """Wherever they are cut. For AVIF and JPEG 2000, the reason is in the decoder's words."""
    content = encoded(like_a_photograph(7), kind)
    for share in (0.3, 0.6, 0.95):
        with pytest.raises(UnreadableImageError) as refused:
            decode_rgb(content[: int(len(content) * share)])

        if kind not in ("AVIF", "JPEG2000"):
            assert str(refused.value).startswith("truncated: ")


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "HEIF"])
def test_files_filled_up_with_zeros_are_truncated(kind: str) -> None:
    """Interrupted downloads leave such files. Intact pictures hardly end in zeros, even if they are black."""
    pillow_heif.register_heif_opener()
    noise, black = Image.effect_noise((300, 300), 90).convert("RGB"), Image.new("RGB", (1500, 1500))
    content = encoded(noise, kind)

    assert not is_refused(encoded(black, kind))
    for share in (0.5, 0.8):
        with pytest.raises(UnreadableImageError, match=r"^truncated: "):
            decode_rgb(content[: int(len(content) * share)].ljust(len(content), b"\0"))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("WEBP", {}), ("WEBP", {"lossless": True}), ("WEBP", {"save_all": True}), ("AVIF", {}), ("HEIF", {})],
)
def test_zeros_in_a_small_picture_are_detected(kind: str, options: dict[str, object]) -> None:
    """From two hundred zeros on."""
    pillow_heif.register_heif_opener()
    for seed in range(4):
        frames = [like_a_photograph(seed, 64, 48), like_a_photograph(seed, 64, 48).rotate(180)]
        also = {"append_images": frames[1:]} if "save_all" in options else {}
        content = encoded(frames[0], kind, **options, **also)
        pixels = content.index(b"ANMF", content.index(b"ANMF") + 4) if also else len(content)

        assert not is_refused(content)
        for zeros in (200, pixels // 3):
            with pytest.raises(UnreadableImageError, match=r"^truncated: .*zeros"):
                decode_rgb(content[: pixels - zeros].ljust(len(content), b"\0"))


def test_zeros_that_are_pixels_or_metadata_are_not_damage() -> None:
    """A plain WebP may end in any number of zeros, and a HEIC in metadata with unused space."""
    pillow_heif.register_heif_opener()
    page = Image.new("RGB", (4000, 300))
    ImageDraw.Draw(page).text((0, 0), "some words", fill="white")
    plain = encoded(page, "WEBP", lossless=True, method=0)
    with_room = encoded(page, "HEIF", exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(9000))

    assert plain.endswith(bytes(9000))
    assert with_room.endswith(bytes(9000))
    assert not is_refused(plain)
    assert not is_refused(with_room)


def test_a_truncated_animation_is_read_if_its_first_frame_is_intact() -> None:
    """In WebP and GIF, frames are stored one after another."""
    frames = [like_a_photograph(seed, 64, 48) for seed in range(4)]
    for kind in ("WEBP", "GIF"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)

        assert not is_refused(content[: len(content) * 2 // 3])
        assert is_refused(content[: len(content) // 8])


def test_a_tiff_with_missing_strips_is_truncated() -> None:
    """Pillow would leave their area black."""
    content = encoded(like_a_photograph(9), "TIFF")
    height, more = (struct.pack("<HHLL", 257, 4, 1, rows) for rows in (150, 9_000))
    assert height in content
    higher = content.replace(height, more)

    with pytest.raises(UnreadableImageError, match=r"^truncated: TIFF: .* strips"):
        decode_rgb(higher)


@pytest.mark.parametrize("options", [{}, {"tile_size": (32, 32)}, {"tile_size": (40, 40), "no_jp2": True}])
def test_a_jpeg_2000_with_missing_tiles_is_truncated(options: dict[str, object]) -> None:
    """Cut after a tile's marker, or properly ended before it; the decoder would leave tiles black."""
    content = encoded(like_a_photograph(12, 100, 75), "JPEG2000", **options)
    tiles = [found.start() for found in re.finditer(rb"\xff\x90\0\x0a", content)]

    assert not is_refused(content)
    assert not is_refused(content + b"\xff\x90")
    for at in tiles:
        for cut_off in (content[: at + 2], content[:at] + b"\xff\xd9"):
            if cut_off != content[: tiles[0]] + b"\xff\xd9":
                with pytest.raises(UnreadableImageError, match=r"^truncated: JPEG 2000: .* tiles"):
                    decode_rgb(cut_off)


def randomly_changed(content: bytes, chance: Random) -> bytes:
    """The content with some bytes set, removed or inserted, more often near the beginning."""
    damaged = bytearray(content)
    for _ in range(chance.choice([1, 2, 5, 20])):
        place = chance.randrange(min(len(damaged), chance.choice([300, len(damaged)])))
        match chance.randrange(4):
            case 0:
                damaged[place] = chance.choice([0, 1, 127, 255])
            case 1:
                damaged[place : place + 4] = chance.choice([b"\xff" * 4, bytes(4), chance.randbytes(4)])
            case 2:
                del damaged[place : place + min(30, len(damaged) // 2)]
            case 3:
                damaged[place:place] = chance.randbytes(9)
    return bytes(damaged)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM"])
def test_changed_bytes_give_a_picture_or_a_reason(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing else is raised, warned about or printed; sizes are positive."""
    chance = Random(kind)
    content = encoded(like_a_photograph(10, 64, 48), kind)
    packed = [encoded(like_a_photograph(10, 64, 48), kind, compression=name) for name in COMPRESSIONS[kind]]
    for number in range(60):
        try:
            picture, *size = decode_rgb(
                randomly_changed([content, *packed][number % (1 + len(packed))], chance)
            )
        except UnreadableImageError as error:
            assert re.match(r"[a-z ]+: .", str(error))
        else:
            assert "RGB" == picture.mode
            assert min(size) > 0

    assert ("", "") == capfd.readouterr()


def test_nothing_is_printed_for_a_damaged_tiff(capfd: pytest.CaptureFixture[str]) -> None:
    """libtiff would print its message, which becomes the reason instead."""
    content = encoded(like_a_photograph(8), "TIFF", compression="tiff_lzw")
    middle = first_pixel_byte(content)
    with pytest.raises(UnreadableImageError, match=r"^damaged: TIFF: .*(code|data)"):
        decode_rgb(content[:middle] + bytes(900) + content[middle + 900 :])

    assert ("", "") == capfd.readouterr()
