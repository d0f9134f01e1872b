"""Compressed tars are unpacked once, and read like plain ones."""

import bz2
import gzip
import lzma
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support.pile import jpeg, keys, read_again, reasons, write_file, write_tar
from triptych.records import ImageRecord, content_hash
from triptych.runs.image_reader import read_image
from triptych.sources import unpacking
from triptych.sources.opening import open_sources
from triptych.sources.shard import Shard, estimate_count


def _with_pyarrow(compression: str) -> Callable[[bytes], bytes]:
    def compress(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, compression) as stream:
            stream.write(content)
        return sink.getvalue().to_pybytes()

    return compress


COMPRESSIONS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda content: lzma.compress(content, lzma.FORMAT_ALONE),
    "zst": _with_pyarrow("zstd"),
    "lz4": _with_pyarrow("lz4"),
}


def _tar(folder: Path) -> bytes:
    members = {"1.jpg": jpeg(1), "1.json": b"{}", "sub/2.jpg": jpeg(2), "notes.md": b"?"}
    return write_tar(folder / "plain", members).read_bytes()


def _open(folder: Path, source: Path) -> Shard:
    (shard,) = open_sources([source], unpack_to=folder / "unpacked")
    return shard


@pytest.mark.parametrize("name", ["a.tar.{}", "a.TAR.{}", "a.t{}", "a.tar", "a.tar.{}.1", "a"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_images_of_a_compressed_tar_are_read_and_reread(tmp_path: Path, compression: str, name: str) -> None:
    """With every compression and any name, also if two parts were compressed separately."""
    if compression == "lzma" and name in ("a", "a.tar", "a.tar.{}.1"):
        name = "a.tar.lzma"
    content = _tar(tmp_path / "before")
    compress = COMPRESSIONS[compression]
    name = name.format(compression)
    packed = (
        compress(content[:1000]) + compress(content[1000:]) if compression != "lzma" else compress(content)
    )
    source = write_file(tmp_path / "in" / name, packed)
    shard = _open(tmp_path, source)
    stem = name if name.endswith(".1") else "a"

    assert [f"{stem}/1.jpg", f"{stem}/sub/2.jpg"] == [f.key for f in shard.files() if f.unreadable is None]
    assert {f"{stem}/notes.md": "not an image"} == reasons(source)
    assert [True, True] == read_again(shard)
    assert estimate_count([shard]).files == 3  # type: ignore[union-attr]


def test_a_removed_unpacked_copy_is_made_again(tmp_path: Path) -> None:
    """The copy is in the given folder. It is made again when needed, also by another process."""
    shard = _open(tmp_path, write_file(tmp_path / "in" / "a.tgz", gzip.compress(_tar(tmp_path))))
    (first, *_) = shard.files()
    (copy,) = (tmp_path / "unpacked").glob("*.tar")
    copy.unlink()

    assert jpeg(1) == pickle.loads(pickle.dumps(shard)).read(first.key, first.offset_bytes, len(jpeg(1)))
    assert copy.exists()


def test_a_damaged_unpacked_copy_is_made_again(tmp_path: Path) -> None:
    """Neither embedding nor captioning uses what was damaged."""
    source = write_file(tmp_path / "in" / "a.tgz", gzip.compress(_tar(tmp_path)))
    before = list(_open(tmp_path, source).files())
    (copy,) = (tmp_path / "unpacked").glob("*.tar")
    intact = copy.read_bytes()
    at = before[0].offset_bytes or 0
    image = ImageRecord(
        key=before[0].key,
        offset_bytes=at,
        size_bytes=len(before[0].content),
        content_hash=content_hash(before[0].content),
    )
    for damaged in (intact[:at], intact[:at] + b"x" * 9 + intact[at:], intact[: at + 9] + intact[at + 10 :]):
        copy.write_bytes(damaged)
        assert before[0].content == read_image(_open(tmp_path, source), image)
        copy.write_bytes(damaged)
        assert before == list(_open(tmp_path, source).files())
    assert intact == copy.read_bytes()


def test_a_partial_copy_of_a_killed_process_is_discarded(tmp_path: Path) -> None:
    """Nothing of it is used, and it is removed."""
    shard = _open(tmp_path, write_file(tmp_path / "in" / "a.tgz", gzip.compress(_tar(tmp_path))))
    first = [file.content for file in shard.files()]
    (copy,) = (tmp_path / "unpacked").glob("*.tar")
    copy.with_name(f"{copy.name}.part").write_bytes(copy.read_bytes()[:700] + b"x" * 99_999)
    copy.unlink()

    assert first == [file.content for file in shard.files()]
    assert [copy.name, f"{copy.name}.source"] == sorted(path.name for path in copy.parent.iterdir())


def test_a_copy_of_an_earlier_version_of_the_archive_is_not_used(tmp_path: Path) -> None:
    """A file beside the copy says what the copy was made of."""
    source = write_file(tmp_path / "in" / "a.tgz", gzip.compress(_tar(tmp_path)))
    list(_open(tmp_path, source).files())
    write_file(source, gzip.compress(write_tar(tmp_path / "other", {"other.jpg": jpeg(9)}).read_bytes()))
    os.utime(source, ns=(0, 123456789))

    assert [("a/other.jpg", jpeg(9))] == [(f.key, f.content) for f in _open(tmp_path, source).files()]


@pytest.mark.parametrize("compression", ["gz", "bz2", "zst", "lz4"])
@pytest.mark.parametrize("junk", [b"junk at the end", bytes(512)], ids=["junk", "zeros"])
def test_junk_behind_a_compressed_tar_is_ignored(tmp_path: Path, compression: str, junk: bytes) -> None:
    """Unless the tar breaks off there: then the next member's header is damaged."""
    content, compress = _tar(tmp_path / "before"), COMPRESSIONS[compression]
    whole = write_file(tmp_path / f"whole.tar.{compression}", compress(content) + junk)
    cut = write_file(tmp_path / f"cut.tar.{compression}", compress(content[:2000]) + junk)

    assert {"whole/notes.md": "not an image"} == reasons(whole)
    assert "truncated archive" in reasons(cut).values()


def test_a_compressed_tar_removed_before_it_is_unpacked_is_recorded(tmp_path: Path) -> None:
    """As a file that can't be read."""
    source = write_file(tmp_path / "a.tar.gz", gzip.compress(_tar(tmp_path / "before")))
    shard = _open(tmp_path, source)
    source.unlink()

    assert [("a.tar.gz", "read error: No such file or directory")] == [
        (file.key, file.unreadable) for file in shard.files()
    ]


CHECKED = ("gz", "bz2", "xz")
"""The compressions whose files have checksums, as written here."""


@pytest.mark.parametrize(
    ("compression", "damage"),
    [
        *((name, "cut") for name in COMPRESSIONS),
        *((name, how) for name in CHECKED for how in ("spoilt", "end")),
    ],
)
def test_members_before_the_damage_of_a_compressed_tar_are_read(
    tmp_path: Path, compression: str, damage: str
) -> None:
    """The damage is recorded and the run continues. No image has wrong bytes."""
    members = {f"{n:03d}.jpg": os.urandom(2000) for n in range(300)}
    content = write_tar(tmp_path / "plain", members).read_bytes()
    packed = bytearray(COMPRESSIONS[compression](content))
    if damage == "cut":
        del packed[len(packed) * 2 // 3 :]
    else:
        at = len(packed) // 2 if damage == "spoilt" else len(packed) - 12
        packed[at : at + 10] = bytes(byte ^ 0x5A for byte in packed[at : at + 10])
    source = write_file(tmp_path / "in" / f"a.tar.{compression}", bytes(packed))
    files = list(_open(tmp_path, source).files())
    whole = {f"a/{name}": content for name, content in members.items()}

    assert {"damaged archive", "truncated archive"} & set(reasons(source).values())
    if damage == "cut" and compression != "bz2":  # a bzip2 block is larger than this archive
        assert 50 < sum(file.unreadable is None for file in files)
        assert all(file.unreadable is not None or file.content == whole[file.key] for file in files)
    assert len(files) == len({file.key for file in files})


@pytest.mark.parametrize("compression", ["gz", "lz4"])
def test_members_of_a_small_compressed_tar_without_its_end_are_read(tmp_path: Path, compression: str) -> None:
    """pyarrow's streams return no part of a block that they can't fill."""
    content = _tar(tmp_path / "before")
    packed = COMPRESSIONS[compression](content)[:-3]
    found = list(_open(tmp_path, write_file(tmp_path / f"a.tar.{compression}", packed)).files())

    assert ["a/1.jpg", "a/sub/2.jpg"] == [file.key for file in found if file.unreadable is None]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.tar.gz", b"", "empty archive"),
        ("a.tar.gz", b"<html>not found</html>" * 99, "damaged archive"),
        ("a.tar.gz", gzip.compress(b"<html>not found</html>" * 99, mtime=0), "damaged archive"),
        ("a.tar.gz", gzip.compress(b"", mtime=0), "empty archive"),
        ("a.tar", gzip.compress(b"no tar" * 999, mtime=0), "damaged archive"),
        ("a.tar.Z", b"\x1f\x9d\x90 whatever", "compressed tar"),
        ("a.tar.lz", b"LZIP\x01 whatever", "compressed tar"),
        ("a.tar", b"\x1f\x9d\x90 whatever", "compressed tar"),
        ("a.tar", b"LZIP\x01 whatever", "compressed tar"),
        ("a.tar", b"\x89LZO\0\r\n\x1a\n whatever", "compressed tar"),
        ("a.tar", b"\xff\x06\0\0sNaPpY whatever", "compressed tar"),
        ("a.TGZ", b"\xff\x06\0\0sNaPpY whatever", "compressed tar"),
        ("a.json.gz", gzip.compress(b"{}", mtime=0), "not an image"),
        ("a", gzip.compress(b"{}", mtime=0), "not an image"),
    ],
)
def test_a_file_that_is_not_a_readable_compressed_tar_has_the_true_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """It is damaged, empty, of an unsupported compression, or something else."""
    write_file(tmp_path / "good.jpg")
    write_file(tmp_path / name, content)

    assert ["good.jpg"] == keys(tmp_path)
    assert {name: reason} == reasons(tmp_path)


def test_a_decompression_bomb_is_not_unpacked_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten megabytes can unpack to ten gigabytes; here it is a thousandth of that."""
    monkeypatch.setattr(unpacking, "ALWAYS_UNPACKED_BYTES", 1_000_000)
    source = write_file(tmp_path / "a.tar.gz", gzip.compress(_tar(tmp_path / "b") + bytes(20_000_000)))
    files = list(_open(tmp_path, source).files())
    (copy,) = (tmp_path / "unpacked").glob("*.tar")

    assert [jpeg(1), jpeg(2)] == [file.content for file in files if file.unreadable is None]
    assert files[-1].unreadable is not None and files[-1].unreadable.startswith("too large: it unpacks to")
    assert copy.stat().st_size < 5_000_000
