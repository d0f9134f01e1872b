"""Bad metadata can't make a picture unreadable, and no file starts a program."""

import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from triptych.errors import UnreadableImageError
from triptych.sources.image_decoding import decode_rgb, upright_size

SIZE = (48, 32)
MORE_THAN_PILLOW_TAKES = 2 << 20
ORIENTATION = 0x0112


def encoded(kind: str = "JPEG", **options: object) -> bytes:
    """A picture that is black on its left half, and wider than high."""
    picture = Image.new("RGB", SIZE, "white")
    picture.paste("black", (0, 0, SIZE[0] // 2, SIZE[1]))
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(*entries: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """An EXIF block of these entries: tag, type, count, value."""
    packed = b"".join(struct.pack(f"{order}HHL4s", *entry) for entry in sorted(entries))
    head = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    return head + struct.pack(f"{order}H", len(entries)) + packed + bytes(4)


def segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_exif(kind: str, block: bytes) -> bytes:
    """The picture with these bytes as EXIF."""
    plain = encoded(kind)
    match kind:
        case "JPEG":
            return plain[:2] + segment(0xE1, b"Exif\0\0" + block) + plain[2:]
        case "PNG":
            return plain[:33] + chunk(b"eXIf", block) + plain[33:]
        case "WEBP":
            return encoded(kind, exif=block)
    padding = bytes(200)
    padded = encoded(kind, exif=exif() + padding)
    assert padded.count(padding) == 1
    return padded.replace(exif() + padding, block.ljust(len(exif() + padding), b"\0"))


def is_read(content: bytes, *, turned: bool) -> bool:
    """Whether it is read with the right size, and is black on the left, or at the top if ``turned``."""
    picture, width, height = decode_rgb(content)
    size = SIZE[::-1] if turned else SIZE
    darker = picture.getpixel((8, 8)), picture.getpixel((size[0] - 8, size[1] - 8))
    return size == (width, height) == picture.size == upright_size(content) and darker[0] < darker[1]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("order", "<>")
def test_a_picture_is_read_and_turned_whatever_else_is_in_its_exif(kind: str, order: str) -> None:
    """Other entries, before and after the orientation, may have any count and value, and the wrong type for
    their tag."""
    chance = random.Random(f"{kind} {order}")
    turn = (ORIENTATION, 3, 1, struct.pack(f"{order}HH", 6, 0))
    tags = (0x0103, 0x010F, 0x011A, 0x0128, 0x02BC, 0x8769, 0x8773, 0x8825, 0x9286, 0xA002, 0xA005, 0xFFFF)
    for _ in range(100):
        entries = [
            (chance.choice(tags), chance.choice([*range(19), 129, 65535]),
             chance.choice([0, 1, 2, 5, 2**31, 2**32 - 1]), chance.randbytes(4))
            for _ in range(chance.randrange(5))
        ]  # fmt: skip
        turned = chance.random() < 0.5
        block = exif(*entries, *([turn] if turned else []), order=order)

        assert is_read(with_exif(kind, block), turned=turned)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_picture_is_read_whatever_bytes_its_exif_is(kind: str) -> None:
    """Noise, zeros, valid blocks with changed bytes, and noise after the header of each kind of TIFF."""
    chance = random.Random(kind)
    turn = exif((ORIENTATION, 3, 1, b"\x06\0\0\0"), (0x0128, 3, 1, b"\x02\0\0\0"))
    marks = [b"", b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"]
    for number in range(100):
        noise = chance.choice([chance.randbytes(chance.randrange(20)), b"\xff" * 8, bytes(8)])
        block = bytearray(turn if number % 2 else chance.choice(marks) + noise)
        for _ in range(chance.randrange(8) if block else 0):
            block[chance.randrange(len(block))] = chance.choice([0, 1, 0xFF, chance.randrange(256)])
        picture, *_ = decode_rgb(with_exif(kind, bytes(block)))

        assert sorted(SIZE) == sorted(picture.size)


@pytest.mark.parametrize(
    ("kind", "value", "turned"),
    [(1, b"\x06\0\0\0", True), (3, b"\x06\0\0\0", True), (4, b"\x06\0\0\0", True), (9, b"\x06\0\0\0", True),
     (11, struct.pack("<f", 6), True), (11, struct.pack("<f", float("nan")), False),
     (2, b"\x06\0\0\0", False), (3, b"\0\x06\0\0", False), (3, b"\x09\0\0\0", False),
     (4, b"\xff" * 4, False)],
)  # fmt: skip
def test_an_orientation_of_any_numeric_type_counts(kind: int, value: bytes, turned: bool) -> None:
    """A value out of range is ignored."""
    assert is_read(with_exif("JPEG", exif((ORIENTATION, kind, 1, value))), turned=turned)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description %s/></x:xmpmeta>'


@pytest.mark.parametrize("form", [b'tiff:Orientation="6"', b"><tiff:Orientation>6</tiff:Orientation><a"])
def test_an_orientation_in_xmp_counts_if_exif_has_none(form: bytes) -> None:
    """In JPEG, PNG and WebP."""
    packet = XMP % form
    jpeg, png = encoded("JPEG"), encoded("PNG")
    in_jpeg = jpeg[:2] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet) + jpeg[2:]
    in_png = png[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet) + png[33:]
    upright = exif((ORIENTATION, 3, 1, b"\x01\0\0\0"))

    assert is_read(in_jpeg, turned=True)
    assert is_read(in_png, turned=True)
    assert is_read(encoded("WEBP", xmp=packet), turned=True)
    assert is_read(in_jpeg[:2] + segment(0xE1, b"Exif\0\0" + upright) + in_jpeg[2:], turned=False)


@pytest.mark.parametrize("name", [b"Raw profile type exif", b"Raw profile type APP1"])
def test_exif_as_text_in_a_png_counts(name: bytes) -> None:
    """As ImageMagick wrote it, compressed or not."""
    block = b"Exif\0\0" + exif((ORIENTATION, 3, 1, b"\x06\0\0\0"))
    text = b"\nexif\n%8d\n" % len(block) + block.hex().encode()
    png = encoded("PNG")

    assert is_read(png[:33] + chunk(b"tEXt", name + b"\0" + text) + png[33:], turned=True)
    assert is_read(png[:33] + chunk(b"zTXt", name + b"\0\0" + zlib.compress(text)) + png[33:], turned=True)


def test_metadata_may_have_any_size() -> None:
    """Profiles and texts that exceed Pillow's limits, individually or together."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text, texts = PngInfo(), PngInfo()
    text.add_text("parameters", "x" * MORE_THAN_PILLOW_TAKES, zip=True)
    for number in range(70):
        texts.add_text(f"note {number}", "x" * (1 << 20), zip=True)

    assert is_read(encoded("PNG", icc_profile=profile + bytes(MORE_THAN_PILLOW_TAKES)), turned=False)
    assert is_read(encoded("PNG", pnginfo=text), turned=False)
    assert is_read(encoded("PNG", pnginfo=texts), turned=False)
    assert is_read(encoded("WEBP", icc_profile=bytes(MORE_THAN_PILLOW_TAKES)), turned=False)
    assert is_read(encoded("TIFF", icc_profile=bytes(MORE_THAN_PILLOW_TAKES)), turned=False)


@pytest.mark.parametrize("name", b"iCCP zTXt iTXt tEXt eXIf pHYs gAMA cHRM acTL fcTL fdAT caBX tIME".split())
def test_a_chunk_of_metadata_may_contain_anything(name: bytes) -> None:
    """Too short, garbage, or with a wrong checksum."""
    png = encoded("PNG")
    for body in (b"", b"\0", b"\xff" * 40, b"icc\0\0garbage"):
        for odd in (chunk(name, body), chunk(name, body)[:-1] + b"!"):
            assert is_read(png[:33] + odd + png[33:], turned=False)
            assert is_read(png[:-12] + odd + png[-12:], turned=False)


@pytest.mark.parametrize("marker", [0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xEF, 0xFE])
def test_a_segment_of_metadata_may_contain_anything(marker: int) -> None:
    """Also with a valid beginning followed by garbage, and with junk between segments."""
    jpeg = encoded()
    for head in (
        b"",
        b"JFIF\0\x09\x09",
        b"JFXX\0",
        b"MPF\0II*\0",
        b"ICC_PROFILE\0\x05\x01",
        b"Photoshop 3.0\0",
    ):
        for body in (head, head + b"\xff" * 30):
            odd = segment(marker, body)
            assert is_read(jpeg[:2] + odd + jpeg[2:], turned=False)
            assert is_read(jpeg[:2] + odd + b"junk\xff\xff" + jpeg[2:], turned=False)


@pytest.mark.parametrize("tail", [b"\0" * 500, b"\xff\xd8\xff\xe0 no picture", b"\xff\xd9", b"MPF" * 99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_bytes_after_a_picture_are_not_damage(kind: str, tail: bytes) -> None:
    """Phones and cameras append videos, depth maps and previews."""
    assert is_read(encoded(kind) + tail, turned=False)


def test_tags_of_a_tiff_may_contain_anything_except_those_of_its_pixels() -> None:
    """Several invalid tags among them, in both byte orders."""
    chance = random.Random(1)
    for number in range(60):
        order = "<>"[number % 2]
        needed = [(256, 3, 1, SIZE[0]), (257, 4, 1, SIZE[1]), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
                  (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, SIZE[1]), (279, 4, 1, SIZE[0] * SIZE[1]),
        ]  # fmt: skip
        entries = [
            (
                tag,
                kind,
                count,
                struct.pack(f"{order}HH" if kind == 3 else f"{order}L", *([value, 0][: 5 - kind])),
            )
            for tag, kind, count, value in needed
        ]
        entries += [
            (chance.choice([282, 283, 296, 305, 700, 33723, 34377, 34665, 34675, 34853, 60000]),
             chance.choice([*range(19), 999]), chance.choice([0, 1, 2, 2**32 - 1]), chance.randbytes(4))
            for _ in range(5)
        ]  # fmt: skip
        turned = number % 3 == 0
        if turned:
            entries.append((ORIENTATION, 3, 1, struct.pack(f"{order}HH", 6, 0)))
        grey = (b"\0" * (SIZE[0] // 2) + b"\xff" * (SIZE[0] // 2)) * SIZE[1]
        head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HL", 42, 8 + len(grey))

        assert is_read(head + grey + exif(*entries, order=order)[8:], turned=turned)


@pytest.mark.parametrize("tag", [292, 293, 317, 332, 338, 339, 529, 530, 531, 532])
@pytest.mark.parametrize("count", [0, 9])
def test_a_tag_of_a_tiff_with_a_default_may_have_no_values(tag: int, count: int) -> None:
    """A count of 0, or values beyond the end of the file."""
    needed = {256: SIZE[0], 257: SIZE[1], 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: SIZE[1]}
    needed[279] = SIZE[0] * SIZE[1]
    entries = [(number, 4, 1, struct.pack("<L", value)) for number, value in needed.items()]
    grey = (b"\0" * (SIZE[0] // 2) + b"\xff" * (SIZE[0] // 2)) * SIZE[1]
    head = b"II*\0" + struct.pack("<L", 8 + len(grey))

    assert is_read(head + grey + exif(*entries, (tag, 4, count, b"\xff" * 4))[8:], turned=False)


@pytest.mark.parametrize(
    "content",
    [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\nshowpage\n%%EOF\n",
     b"\xc5\xd0\xd3\xc6" + struct.pack("<LL", 32, 90) + bytes(20) + b"%!PS-Adobe-3.0 EPSF-3.0\n",
     b"%PDF-1.7\n", b"\xd7\xcd\xc6\x9a" + bytes(40), b"\x01\0\0\0" + bytes(36) + b" EMF" + bytes(40),
     b"#define im_width 8\n#define im_height 1\nstatic char im_bits[] = {0x00};",
     b"/* XPM */\nstatic char *a[] = {",
     b"GRIB" + bytes(40), b"\x89HDF\r\n\x1a\n" + bytes(40), b"BUFR" + bytes(40), b"<svg xmlns='a'/>"],
)  # fmt: skip
def test_no_program_is_started_for_a_file(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow would pass PostScript to Ghostscript, whatever the file's name. Here it isn't an image."""
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("a program was started"))
    for read in (decode_rgb, upright_size):
        with pytest.raises(UnreadableImageError, match=r"^unknown format: "):
            read(content)


def test_every_call_that_opens_images_restricts_their_formats() -> None:
    """By default, Pillow tries all its decoders, so each call has to name the formats."""
    root = Path(__file__).parents[2]
    product = [root / name for name in ("triptych", "grouping", "captioning", "filtering", "export")]
    opening = [
        line.strip()
        for folder in product
        for path in folder.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "Image.open(" in line
    ]

    assert all("formats=" in line for line in opening)
