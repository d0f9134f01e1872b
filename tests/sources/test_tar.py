"""Tars: every intact member is read and reread, and every damage is recorded."""

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.pile import jpeg, keys, read_again, reasons, write_tar
from triptych.sources.opening import open_sources


def test_a_member_is_reread_by_its_offset(tmp_path: Path) -> None:
    """A later read gives the same bytes as the first."""
    (shard,) = open_sources([write_tar(tmp_path / "a.tar", {f"{n}.jpg": jpeg(n) for n in range(5)})])

    assert [True] * 5 == read_again(shard)


def test_samples_of_webdataset_are_one_image_each(tmp_path: Path) -> None:
    """Nested prefixes and dots are part of the key; files that describe an image are passed over."""
    members = {
        f"{prefix}.{ending}": jpeg() if ending == "jpg" else b"3"
        for prefix in ("train/000/a.b c", "train/000/d", "./train/001/a")
        for ending in ("cls", "json", "jpg", "txt", "npy")
    }
    source = write_tar(tmp_path / "shard-000000.tar", members)

    assert [
        "shard-000000/train/000/a.b c.jpg",
        "shard-000000/train/000/d.jpg",
        "shard-000000/train/001/a.jpg",
    ] == keys(source)
    assert {} == reasons(source)


def test_long_and_non_ascii_names_are_kept(tmp_path: Path) -> None:
    """Also those that need a second header, in both dialects and after a global header."""
    names = ["一" * 120 + ".jpg", "with space\nand 🙂.jpg", "plain.jpg"]
    for dialect in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(
            tmp_path / f"{dialect}.tar", "w", format=dialect, pax_headers={"comment": "a global header"}
        ) as archive:
            for name in names:
                header = tarfile.TarInfo(name)
                header.size = len(jpeg())
                archive.addfile(header, io.BytesIO(jpeg()))

        assert [f"{dialect}/{name}" for name in names] == keys(tmp_path / f"{dialect}.tar")
        assert {} == reasons(tmp_path / f"{dialect}.tar")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../out.jpg", "unusable name"),
        ("caf\udce9.jpg", "unusable name"),
        ("notes.md", "not an image"),
        ("inner.tar.gz", "archive in archive"),
        ("inner.tar", "archive in archive"),
        ("inner.zip", "archive in archive"),
    ],
)
def test_a_member_that_cannot_be_an_image_has_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    """The other members are read."""
    with tarfile.open(
        tmp_path / "a.tar", "w", errors="surrogateescape", format=tarfile.GNU_FORMAT
    ) as archive:
        for each in ("first.jpg", name, "last.jpg"):
            content = jpeg() if each.endswith(".jpg") else b"no picture"
            header = tarfile.TarInfo(each)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))

    assert ["a/first.jpg", "a/last.jpg"] == keys(tmp_path)
    assert [reason] == list(reasons(tmp_path).values())


def test_links_in_an_archive_are_recorded(tmp_path: Path) -> None:
    """They have no bytes of their own, but aren't dropped silently."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        header = tarfile.TarInfo("real.jpg")
        header.size = len(jpeg())
        archive.addfile(header, io.BytesIO(jpeg()))
        for name, kind in (("soft.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "real.jpg"
            archive.addfile(link)

    assert ["a/real.jpg"] == keys(tmp_path)
    assert {"a/soft.jpg": "link in archive", "a/hard.jpg": "link in archive"} == reasons(tmp_path)


def test_a_repeated_member_name_is_recorded_as_unreadable(tmp_path: Path) -> None:
    """Two members can't share a key."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for shade in (1, 2):
            header = tarfile.TarInfo("same.jpg")
            header.size = len(jpeg(shade))
            archive.addfile(header, io.BytesIO(jpeg(shade)))
    (shard,) = open_sources([tmp_path])
    first, second = shard.files()

    assert first.unreadable is None
    assert second.unreadable is not None
    assert second.unreadable.startswith("name twice: ")
    assert first.key != second.key


@pytest.mark.parametrize("keep_bytes", [100, 512, 700, 2048, 2049, 3000, 4096])
def test_a_truncated_tar_is_recorded_and_its_intact_members_are_read(tmp_path: Path, keep_bytes: int) -> None:
    """Wherever it is cut: in a header, in a member, or between two."""
    whole = write_tar(tmp_path / "whole.tar", {f"{n}.jpg": jpeg(n) for n in range(3)})
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:keep_bytes])
    (shard,) = open_sources([tmp_path / "cut.tar"])
    ends = [n * (512 + -(-len(jpeg()) // 512) * 512) + 512 + len(jpeg()) for n in range(3)]

    assert sum(end <= keep_bytes for end in ends) == len(read_again(shard))
    assert "truncated archive" in reasons(tmp_path / "cut.tar").values()


def test_a_tar_truncated_in_a_sidecar_is_recorded(tmp_path: Path) -> None:
    """No listed member is damaged, but the following ones are lost."""
    whole = write_tar(tmp_path / "whole.tar", {"1.jpg": jpeg(), "1.json": b" " * 2000, "2.jpg": jpeg()})
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[: 512 + 1024 + 512 + 700])

    assert ["truncated archive"] == list(reasons(tmp_path / "cut.tar").values())


def test_members_after_a_damaged_header_are_read(tmp_path: Path) -> None:
    """``tarfile`` alone would take it for the end and silently lose the rest."""
    content = bytearray(write_tar(tmp_path / "a.tar", {f"{n}.jpg": jpeg(n) for n in range(4)}).read_bytes())
    second = 512 + -(-len(jpeg()) // 512) * 512
    content[second : second + 512] = b"\xa5" * 512
    (tmp_path / "a.tar").write_bytes(content)

    assert ["a/0.jpg", "a/2.jpg", "a/3.jpg"] == keys(tmp_path)
    assert {f"a.tar#{second}": "damaged archive"} == reasons(tmp_path)


def test_concatenated_tars_are_read_to_their_end(tmp_path: Path) -> None:
    """``cat a.tar b.tar`` leaves an end mark in the middle."""
    first = write_tar(tmp_path / "1.tar", {"1.jpg": jpeg(1)}).read_bytes()
    second = write_tar(tmp_path / "2.tar", {"2.jpg": jpeg(2)}).read_bytes()
    both = tmp_path / "both" / "both.tar"
    both.parent.mkdir()
    both.write_bytes(first + second)

    assert ["both/1.jpg", "both/2.jpg"] == keys(both)
    assert {} == reasons(both)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty archive"),
        (bytes(10240), "empty archive"),
        (b"<html>not found</html>" * 99, "damaged archive"),
    ],
)
def test_a_tar_without_members_is_recorded(tmp_path: Path, content: bytes, reason: str) -> None:
    """It has no bytes or no members, or isn't a tar."""
    (tmp_path / "sa_000007.tar").write_bytes(content)

    assert {"sa_000007.tar": reason} == reasons(tmp_path / "sa_000007.tar")


def test_a_tar_removed_after_listing_is_recorded(tmp_path: Path) -> None:
    """As a read error; its fingerprint is still that of the listing."""
    (shard,) = open_sources([write_tar(tmp_path / "a.tar", {"1.jpg": jpeg()})])
    fingerprint = shard.fingerprint()
    (tmp_path / "a.tar").unlink()

    assert ["read error: No such file or directory"] == [file.unreadable for file in shard.files()]
    assert fingerprint == shard.fingerprint()
    with pytest.raises(OSError, match="No such file"):
        shard.read("a/1.jpg", 512, 10)


def test_members_of_an_incremental_archive_have_their_own_names(tmp_path: Path) -> None:
    """GNU tar writes times where others write the beginning of a long name."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x.jpg").write_bytes(jpeg())
    (tmp_path / "12345670123").mkdir()
    (tmp_path / "12345670123" / "y.jpg").write_bytes(jpeg(1))
    subprocess.run(
        ["tar", "--format=gnu", "-g", "state", "-cf", "a.tar", "deep", "12345670123"],
        cwd=tmp_path,
        check=True,
    )

    assert ["a/12345670123/y.jpg", "a/deep/x.jpg"] == sorted(keys(tmp_path / "a.tar"))
