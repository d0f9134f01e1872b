"""Zips: every intact member is read and reread, and damaged or absurd ones are recorded."""

import io
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pile import jpeg, keys, read_again, reasons, write_file, write_zip
from triptych.sources.opening import open_sources
from triptych.sources.shard import CountEstimate, Shard, estimate_count

DEFLATED, STORED = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED
DIRECTORY_ENTRY = b"PK\x01\x02"
FLAGS_AT, METHOD_AT, CHECKSUM_AT, PACKED_AT, SIZE_AT, DISK_AT, OFFSET_AT = 8, 10, 16, 20, 24, 34, 42
"""Offsets in an entry of the directory."""


def _three(path: Path) -> Path:
    return write_zip(path, {f"{n}.jpg": jpeg(n) for n in range(3)})


def _patched(path: Path, entry: int, at: int, new: bytes) -> Path:
    """The archive with ``new`` at place ``at`` of one of its directory's entries."""
    content = bytearray(path.read_bytes())
    begin = -1
    for _ in range(entry + 1):
        begin = content.index(DIRECTORY_ENTRY, begin + 1)
    content[begin + at : begin + at + len(new)] = new
    path.write_bytes(content)
    return path


def _only(path: Path) -> Shard:
    (shard,) = open_sources([path])
    return shard


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("compression", [STORED, DEFLATED])
def test_a_member_is_reread_by_its_offset(tmp_path: Path, compression: int, streamed: bool) -> None:
    """Stored and deflated, with sizes before or after a member; in the order of the archive."""
    names = ["b.jpg", "a.jpg", "deep/c.jpg"]
    members = {name: jpeg(n) for n, name in enumerate(names)}
    shard = _only(write_zip(tmp_path / "x.zip", members, compression, streamed))

    assert [f"x/{name}" for name in names] == keys(tmp_path)
    assert [True] * 3 == read_again(shard)
    assert list(members.values()) == [file.content for file in shard.files()]


def test_rereading_does_not_need_the_directory(tmp_path: Path) -> None:
    """Only the member's own header is read, however many members there are."""
    shard = _only(_three(tmp_path / "x.zip"))
    found = list(shard.files())
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content[: content.index(DIRECTORY_ENTRY)])

    assert [file.content for file in found] == [
        shard.read(file.key, file.offset_bytes, len(file.content)) for file in found
    ]


def test_folders_and_sidecars_are_passed_over(tmp_path: Path) -> None:
    """As in tars; any other file is listed with a reason."""
    write_zip(tmp_path / "x.zip", {"a/": b"", "a/1.jpg": jpeg(), "a/1.json": b"{}", "a/read.me": b"?"})

    assert ["x/a/1.jpg"] == keys(tmp_path)
    assert {"x/a/read.me": "not an image"} == reasons(tmp_path)


def test_zip64_archives_are_read(tmp_path: Path) -> None:
    """Sizes and offsets are in an extra field, the directory's place is in a record of its own."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(2):
            with archive.open(f"{number}.jpg", "w", force_zip64=True) as member:
                member.write(jpeg(number))
    content = (tmp_path / "x.zip").read_bytes()
    end = content.rindex(b"PK\x05\x06")
    entries, size, offset = struct.unpack_from("<H2L", content, end + 10)
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    wide_end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "x.zip").write_bytes(content[:end] + record + locator + wide_end)

    assert [True, True] == read_again(_only(tmp_path / "x.zip"))
    assert ["0.jpg", "1.jpg"] == zipfile.ZipFile(tmp_path / "x.zip").namelist()


def test_sizes_and_offsets_in_an_extra_field_are_read(tmp_path: Path) -> None:
    """Each is used only if its field in the entry has the largest value."""
    path = _three(tmp_path / "x.zip")
    with zipfile.ZipFile(path) as archive:
        middle = archive.infolist()[1]
    content = bytearray(path.read_bytes())
    begin = content.index(DIRECTORY_ENTRY, content.index(DIRECTORY_ENTRY) + 1)
    extra = struct.pack("<2H2Q", 1, 16, middle.file_size, middle.header_offset)
    content[begin + SIZE_AT : begin + SIZE_AT + 4] = content[begin + OFFSET_AT : begin + OFFSET_AT + 4] = (
        b"\xff" * 4
    )
    content[begin + 30 : begin + 32] = struct.pack("<H", len(extra))
    content[begin + 46 + 5 : begin + 46 + 5] = extra
    end = content.rindex(b"PK\x05\x06")
    (size,) = struct.unpack_from("<L", content, end + 12)
    struct.pack_into("<L", content, end + 12, size + len(extra))
    path.write_bytes(content)

    assert [True] * 3 == read_again(_only(path))


def test_bytes_before_the_archive_do_not_matter(tmp_path: Path) -> None:
    """As in a self-extracting archive."""
    path = _three(tmp_path / "x.zip")
    path.write_bytes(b"#!/bin/sh\n" * 50 + path.read_bytes())

    assert [True] * 3 == read_again(_only(path))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../out.jpg", "unusable name"),
        ("notes.md", "not an image"),
        ("inner.tar.gz", "archive in archive"),
    ],
)
def test_a_member_that_cannot_be_an_image_has_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    """The other members are read."""
    content = jpeg() if name.endswith(".jpg") else b"no picture"
    write_zip(tmp_path / "x.zip", {"1.jpg": jpeg(), name: content, "2.jpg": jpeg()})

    assert ["x/1.jpg", "x/2.jpg"] == keys(tmp_path)
    assert [reason] == list(reasons(tmp_path).values())


def test_names_that_are_not_utf_8_are_read_as_the_format_says(tmp_path: Path) -> None:
    """In the old code page. If a name is declared as UTF-8 but isn't, the directory is damaged."""
    path = write_zip(tmp_path / "x.zip", {"aaaé.jpg": jpeg(), "bbbb.jpg": jpeg(1)})
    path.write_bytes(path.read_bytes().replace(b"bbbb", b"b\x82bb"))

    assert ["x/aaaé.jpg", "x/bébb.jpg"] == keys(tmp_path)

    path.write_bytes(path.read_bytes().replace("aaaé".encode(), b"aaa\xff\xfe"))

    assert {"x.zip": "damaged archive"} == reasons(tmp_path)


def _unicode_path(unicode_name: str, of: str) -> bytes:
    body = struct.pack("<BL", 1, zlib.crc32(of.encode())) + unicode_name.encode()
    return struct.pack("<2H", 0x7075, len(body)) + body


@pytest.mark.parametrize(
    ("written", "extra", "name"),
    [
        ("é.jpg".encode(), b"", "é.jpg"),
        ("图/日本.jpg".encode(), b"", "图/日本.jpg"),
        (b"#U00e9.jpg", _unicode_path("é.jpg", of="#U00e9.jpg"), "é.jpg"),
        (b"x.jpg", _unicode_path("é.jpg", of="renamed.jpg"), "x.jpg"),
        (b"?x.jpg", struct.pack("<2HB", 0x5455, 1, 0) + _unicode_path("é.jpg", of="?x.jpg"), "é.jpg"),
    ],
)
def test_utf_8_names_are_read_without_the_utf_8_flag(
    tmp_path: Path, written: bytes, extra: bytes, name: str
) -> None:
    """Info-ZIP and macOS write them, in the name itself or in an extra field that matches it."""
    member = zipfile.ZipInfo("?" * len(written))
    member.extra = extra
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(member, jpeg())
    content = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(content.replace(b"?" * len(written), written))

    assert [f"x/{name}"] == keys(tmp_path)
    assert [True] == read_again(_only(tmp_path / "x.zip"))


def test_lost_members_of_joined_zips_are_recorded(tmp_path: Path) -> None:
    """The directory at the end lists only the second zip's members, which are read."""
    first, second = _three(tmp_path / "1"), write_zip(tmp_path / "2", {"x.jpg": jpeg(9)})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "c.zip").write_bytes(first.read_bytes() + second.read_bytes())
    lost, found = _only(tmp_path / "in" / "c.zip").files()

    assert ("c.zip", "c/x.jpg") == (lost.key, found.key)
    assert jpeg(9) == found.content
    assert lost.unreadable == (
        f"damaged archive: its directory names nothing before byte {first.stat().st_size}, as where two zips"
        " were joined; `zip -FF` can save members"
    )


def test_the_reason_for_a_split_zip_says_how_to_join_it(tmp_path: Path) -> None:
    """The last file has the directory and the first one a mark; others can't be recognised."""
    content = bytearray(b"PK\x07\x08" + _three(tmp_path / "whole").read_bytes())
    content[content.rindex(b"PK\x05\x06") + 4] = 2  # this file's number
    for name, part in (("x.z01", content[:400]), ("x.z02", content[400:800]), ("x.zip", content[800:])):
        write_file(tmp_path / "in" / name, bytes(part))

    assert {"x.z01": "split archive", "x.z02": "not an image", "x.zip": "split archive"} == reasons(
        tmp_path / "in"
    )
    for name in ("x.z01", "x.zip"):
        (file,) = _only(tmp_path / "in" / name).files()
        assert (file.unreadable or "").endswith("join them with `zip -s 0 SPLIT.zip --out WHOLE.zip`")


def test_the_first_file_of_a_numbered_split_zip_is_recognised(tmp_path: Path) -> None:
    """As 7-Zip splits them."""
    write_file(tmp_path / "in" / "x.zip.001", _three(tmp_path / "whole").read_bytes()[:800])

    assert {"x.zip.001": "split archive"} == reasons(tmp_path / "in")


def test_links_in_an_archive_are_recorded(tmp_path: Path) -> None:
    """They have no bytes of their own, but aren't dropped silently."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        link = zipfile.ZipInfo("soft.jpg")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "real.jpg")
        archive.writestr("real.jpg", jpeg())

    assert ["x/real.jpg"] == keys(tmp_path)
    assert {"x/soft.jpg": "link in archive"} == reasons(tmp_path)


def test_a_repeated_member_name_is_recorded_as_unreadable(tmp_path: Path) -> None:
    """Two members can't share a key."""
    path = write_zip(tmp_path / "x.zip", {"a.jpg": jpeg(1), "b.jpg": jpeg(2)})
    path.write_bytes(path.read_bytes().replace(b"b.jpg", b"a.jpg"))
    first, second = _only(path).files()

    assert jpeg(1) == first.content
    assert second.unreadable is not None
    assert second.unreadable.startswith("name twice: ")
    assert first.key != second.key


@pytest.mark.parametrize(
    ("at", "new", "reason"),
    [
        (FLAGS_AT, b"\x01\x00", "encrypted: "),
        (METHOD_AT, b"\x0e\x00", "unknown compression: method 14"),
        (DISK_AT, b"\x01\x00", "split archive: "),
        (CHECKSUM_AT, b"\x00\x00\x00\x00", "damaged: its bytes are not those"),
        (SIZE_AT, struct.pack("<L", 10), "damaged: "),
        (SIZE_AT, struct.pack("<L", 100_000), "damaged: "),
        (SIZE_AT, struct.pack("<L", 3_000_000_000), "too large: 3,000,000,000 bytes"),
        (SIZE_AT, b"\xff\xff\xff\xff", "too large: "),
        (PACKED_AT, struct.pack("<L", 10), "damaged: "),
        (PACKED_AT, struct.pack("<L", 100_000), "damaged: its bytes would reach into"),
        (OFFSET_AT, struct.pack("<L", 1), "damaged: "),
        (OFFSET_AT, struct.pack("<L", 2_000_000_000), "damaged: its bytes would reach into"),
    ],
)
@pytest.mark.parametrize("compression", [STORED, DEFLATED])
def test_an_encrypted_damaged_or_absurd_member_is_recorded(
    tmp_path: Path, compression: int, at: int, new: bytes, reason: str
) -> None:
    """Whatever its entry says; the others are read."""
    path = write_zip(tmp_path / "x.zip", {f"{n}.jpg": jpeg(n) for n in range(3)}, compression)
    _patched(path, 1, at, new)
    unreadable = {file.key: file.unreadable for file in _only(path).files() if file.unreadable is not None}

    assert "x/1.jpg" in unreadable
    assert unreadable["x/1.jpg"].startswith(reason)
    assert {"x/0.jpg", "x/2.jpg"} - unreadable.keys() == set(keys(path))
    assert len(unreadable) <= 2  # an entry that points into another member makes that one damaged, too


def test_a_member_with_damaged_bytes_is_recorded(tmp_path: Path) -> None:
    """Its checksum is wrong, or it can't be inflated."""
    path = _three(tmp_path / "x.zip")
    with zipfile.ZipFile(path) as archive:
        offset = archive.infolist()[1].header_offset
    content = bytearray(path.read_bytes())
    for at in range(offset + 40, offset + 80):
        content[at] ^= 0x55
    path.write_bytes(content)

    assert ["x/0.jpg", "x/2.jpg"] == keys(tmp_path)
    assert {"x/1.jpg": "damaged"} == reasons(tmp_path)


def test_a_member_that_inflates_to_more_than_its_entry_says_is_not_inflated_further(tmp_path: Path) -> None:
    """A bomb: a hundred million bytes in a hundred thousand, declared as ten."""
    path = write_zip(tmp_path / "x.zip", {"bomb.jpg": bytes(100_000_000), "good.jpg": jpeg()})
    _patched(path, 0, SIZE_AT, struct.pack("<L", 10))
    shard = _only(path)
    tracemalloc.start()
    found = [(file.key, file.unreadable is None) for file in shard.files()]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [("x/bomb.jpg", False), ("x/good.jpg", True)] == found
    assert peak_bytes < 2_000_000


def test_overlapping_members_are_not_read_repeatedly(tmp_path: Path) -> None:
    """A thousand entries for the same large member would be another kind of bomb."""
    path = write_zip(tmp_path / "x.zip", {f"{n}.jpg": bytes(10_000) for n in range(50)}, STORED)
    for entry in range(50):
        _patched(path, entry, OFFSET_AT, struct.pack("<L", 0))
    shard = _only(path)

    assert 49 <= sum("would reach into" in (file.unreadable or "") for file in shard.files())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty archive: the file has no bytes"),
        (b"PK\x05\x06" + bytes(18), "empty archive: it has no members"),
        (b"<html>not found</html>" * 99, "damaged archive: File is not a zip file"),
        (
            b"PK\x05\x06" + bytes(8) + b"\xff" * 8 + bytes(2),
            "damaged archive: Bad offset",
        ),
        (b"PK\x05\x06", "damaged archive: File is not a zip file"),
    ],
)
def test_a_zip_without_members_is_recorded(tmp_path: Path, content: bytes, reason: str) -> None:
    """It has no bytes or no members, or isn't a zip."""
    (tmp_path / "sa_7.zip").write_bytes(content)
    (file,) = _only(tmp_path / "sa_7.zip").files()

    assert "sa_7.zip" == file.key
    assert (file.unreadable or "").startswith(reason)


def test_a_truncated_zip_is_recorded(tmp_path: Path) -> None:
    """Its directory was at the end, so all names are lost."""
    path = _three(tmp_path / "x.zip")
    path.write_bytes(path.read_bytes()[:-60])

    assert {"x.zip": "truncated archive"} == reasons(path)


def test_a_damaged_directory_is_recorded(tmp_path: Path) -> None:
    """The reason says how members can be saved."""
    (file,) = _only(_patched(_three(tmp_path / "x.zip"), 2, 0, b"XXXX")).files()

    assert "x.zip" == file.key
    assert (file.unreadable or "").startswith("damaged archive: ")
    assert (file.unreadable or "").endswith("`zip -FF` can save members")


def test_a_zip_removed_after_listing_is_recorded(tmp_path: Path) -> None:
    """As a read error; its fingerprint is still that of the listing."""
    shard = _only(_three(tmp_path / "x.zip"))
    fingerprint = shard.fingerprint()
    (tmp_path / "x.zip").unlink()

    assert ["read error: No such file or directory"] == [file.unreadable for file in shard.files()]
    assert fingerprint == shard.fingerprint()
    with pytest.raises(OSError, match="No such file"):
        shard.read("x/0.jpg", 0, 10)


@pytest.mark.parametrize(("offset", "size"), [(None, 10), (3, 10), (10**9, 10), (0, 10), (0, 10**6)])
def test_rereading_with_a_wrong_offset_or_size_is_an_error(
    tmp_path: Path, offset: int | None, size: int
) -> None:
    """Other bytes are never returned."""
    shard = _only(_three(tmp_path / "x.zip"))
    with pytest.raises(OSError, match=r"x/0\.jpg"):
        shard.read("x/0.jpg", offset, size)


def test_the_members_of_a_zip_are_counted_by_its_directory(tmp_path: Path) -> None:
    """Those that are passed over don't count; a damaged zip is estimated by its size."""
    for number in range(3):
        members = {f"{n}.{ending}": jpeg() for n in range(5) for ending in ("jpg", "json")}
        write_zip(tmp_path / f"{number}.zip", members)

    assert CountEstimate(15, False) == estimate_count(open_sources([tmp_path]))

    (tmp_path / "1.zip").write_bytes(b"\xff" * (tmp_path / "1.zip").stat().st_size)

    assert CountEstimate(15, True) == estimate_count(open_sources([tmp_path]))


@given(data=st.data())
def test_no_damage_ends_a_run(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any bytes changed or cut off: each file is listed once, with its bytes or a reason."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.jpg", jpeg(number), (STORED, DEFLATED)[number % 2])
    content = bytearray(buffer.getvalue())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("fuzz") / "x.zip"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    files = list(_only(path).files())
    whole = {jpeg(number) for number in range(3)}

    assert files
    assert len(files) == len({file.key for file in files})
    assert all(file.unreadable is not None or file.content in whole for file in files)
    path.unlink()
