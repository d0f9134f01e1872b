"""Tars of every dialect, with every damage: intact members are read, and others are recorded."""

import io
import random
import struct
import tarfile
from pathlib import Path

import pytest

from tests.support.pile import jpeg, keys, read_again, reasons, write_file, write_tar
from triptych.sources.opening import open_sources
from triptych.sources.shard import Peekable

BLOCK = tarfile.BLOCKSIZE
SIZE, CHECKSUM, TYPE, SPARSE = slice(124, 136), slice(148, 156), slice(156, 157), slice(386, 483)
"""Fields of a header."""


def _tar(dialect: int, count: int = 4) -> bytes:
    """A tar in this dialect. Every other name needs a header of its own, except in ustar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect) as archive:
        for number in range(count):
            long_name = "long name " * 12 if number % 2 and dialect != tarfile.USTAR_FORMAT else ""
            header = tarfile.TarInfo(f"d/{long_name}{number}.jpg")
            header.size = len(jpeg(number))
            archive.addfile(header, io.BytesIO(jpeg(number)))
    return buffer.getvalue()


def _changed(content: bytes, at: int, place: slice, new: bytes) -> bytes:
    """The tar with another value in a field of the header at ``at``, and a matching checksum."""
    header = bytearray(content[at : at + BLOCK])
    header[place] = new.ljust(place.stop - place.start, b"\0")
    header[CHECKSUM] = b" " * 8
    header[CHECKSUM] = b"%06o\0 " % sum(header)
    return content[:at] + bytes(header) + content[at + BLOCK :]


def _second_header(content: bytes) -> int:
    return BLOCK + -(-len(jpeg(0)) // BLOCK) * BLOCK


@pytest.mark.parametrize(
    ("place", "new"),
    [
        (SIZE, b"\xff" * 12),
        (SIZE, b"\xff" * 11 + b"\0"),
        (SIZE, b"-0000001000\0"),
        (SIZE, b"\x80" + b"\xff" * 11),
        (SIZE, b"not octal"),
        (SPARSE, b"\xff" * 97),
    ],
    ids=str,
)
def test_an_absurd_header_affects_one_member(tmp_path: Path, place: slice, new: bytes) -> None:
    """A negative size that leads back, a size beyond all disks, or an invalid map of holes."""
    content = _tar(tarfile.USTAR_FORMAT)
    if place == SPARSE:
        content = _changed(content, _second_header(content), TYPE, b"S")
    write_file(tmp_path / "a.tar", _changed(content, _second_header(content), place, new))
    write_file(tmp_path / "x.jpg")
    found = keys(tmp_path)

    assert ["x.jpg", "a/d/0.jpg"] == sorted(found, key=lambda key: key != "x.jpg")[:2]
    assert reasons(tmp_path)
    assert new.startswith(b"\x80") or {"a/d/2.jpg", "a/d/3.jpg"} <= {*found, *reasons(tmp_path)}


@pytest.mark.parametrize("behind", [b"\n", b"\n\n", b"end of file" * 999, bytes(5000) + b"\n"])
def test_bytes_after_the_end_mark_are_not_damage(tmp_path: Path, behind: bytes) -> None:
    """A shell or an upload may add them."""
    path = write_tar(tmp_path / "a.tar", {"1.jpg": jpeg(1), "2.jpg": jpeg(2)})
    path.write_bytes(path.read_bytes() + behind)

    assert ["a/1.jpg", "a/2.jpg"] == keys(path)
    assert {} == reasons(path)


def test_a_missing_end_mark_is_recorded(tmp_path: Path) -> None:
    """The members are intact, but others may be lost."""
    path = write_tar(tmp_path / "a.tar", {"1.jpg": jpeg(1)})
    path.write_bytes(path.read_bytes()[: _second_header(b"")])
    (image, record) = open_sources([path])[0].files()

    assert jpeg(1) == image.content
    assert (record.unreadable or "").startswith("truncated archive: no end mark")


def test_a_tar_of_the_oldest_format_is_read(tmp_path: Path) -> None:
    """It has no mark of its format, and may have any name."""
    content = _tar(tarfile.USTAR_FORMAT)
    for at in range(0, len(content), BLOCK):
        if content[at + 257 : at + 262] == b"ustar":
            content = _changed(content, at, slice(257, 265), b"")
    write_file(tmp_path / "a.tar", content)
    write_file(tmp_path / "b", content)

    assert [f"{name}/d/{number}.jpg" for name in "ab" for number in range(4)] == keys(tmp_path)


def test_a_header_with_a_long_text_is_read(tmp_path: Path) -> None:
    """A comment of three million characters."""
    header = tarfile.TarInfo("1.jpg")
    header.size, header.pax_headers = len(jpeg()), {"comment": "x" * 3_000_000}
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.addfile(header, io.BytesIO(jpeg()))

    assert ["a/1.jpg"] == keys(tmp_path)
    assert {} == reasons(tmp_path)


def test_a_sparse_member_at_the_end_has_its_true_reason(tmp_path: Path) -> None:
    """It is longer than its part in the archive, which isn't a truncation."""
    content = _tar(tarfile.GNU_FORMAT, count=1)
    holes = struct.pack("12s12s", b"%011o\0" % 0, b"%011o\0" % 512) + bytes(24 * 3) + b"\0" + b"%011o" % 10**6
    content = _changed(_changed(content, 0, TYPE, b"S"), 0, SPARSE, holes[:97])
    write_file(tmp_path / "a.tar", content)

    assert {"a/d/0.jpg": "sparse member"} == reasons(tmp_path)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "empty archive: it has no members"),
        ({"a/x.json": b"{}", "a/._x.jpg": b""}, "empty archive: none of its 2"),
    ],
)
def test_the_reason_for_an_archive_without_images_says_whether_it_has_members(
    tmp_path: Path, members: dict[str, bytes], reason: str
) -> None:
    """A tar of labels has members."""
    (record,) = open_sources([write_tar(tmp_path / "a.tar", members)])[0].files()

    assert (record.unreadable or "").startswith(reason)


def test_a_hole_of_a_terabyte_in_a_tar_is_passed_over(tmp_path: Path) -> None:
    """Members after it are found."""
    path = write_tar(tmp_path / "a.tar", {"1.jpg": jpeg(1)})
    second = write_tar(tmp_path / "b" / "b.tar", {"2.jpg": jpeg(2)}).read_bytes()
    with path.open("r+b") as file:
        file.seek(1 << 40)
        file.write(second)

    assert ["a/1.jpg", "a/2.jpg"] == keys(path)


def _damaged(chance: random.Random, content: bytes) -> bytes:
    """The tar with a few fields of headers and other bytes changed, mostly with a matching checksum."""
    headers = [at for at in range(0, len(content), BLOCK) if content[at + 257 : at + 262] == b"ustar"]
    for _ in range(chance.randint(1, 4)):
        at = chance.choice(headers)
        size = chance.choice([b"\xff" * 12, b"-0000000777\0", b"77777777777\0", b"\x80" + bytes(7) + b"abcd"])
        fields = [
            (SIZE, size),
            (TYPE, chance.choice("SxgLKVDMN1236Z7").encode()),
            (SPARSE, chance.randbytes(97)),
            (slice(0, 20), chance.randbytes(20)),
        ]
        place, new = chance.choice(fields)
        content = _changed(content, at, place, new)
        if chance.random() < 0.3:
            spot = chance.randrange(len(content))
            content = content[:spot] + chance.randbytes(1) + content[spot + 1 :]
    return content[: chance.randrange(1, len(content))] if chance.random() < 0.2 else content


@pytest.mark.parametrize("dialect", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_no_damage_ends_a_run(tmp_path: Path, dialect: int) -> None:
    """Each member is listed once, with bytes that can be reread or a reason."""
    path = tmp_path / "a.tar"
    for seed in range(60):
        write_file(path, _damaged(random.Random(seed), _tar(dialect)))
        (shard,) = open_sources([path])
        files = list(shard.files())

        assert isinstance(shard, Peekable)
        assert shard.peek(256) >= (0, 0)
        assert files, seed
        assert len(files) == len({file.key for file in files}), seed
        assert all(read_again(shard)), seed
    path.unlink()
