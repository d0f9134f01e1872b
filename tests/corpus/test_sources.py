"""Sources become shards with stable, unique keys, and every file is accounted for."""

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from corpus.errors import UsageError
from corpus.sources import FILES_PER_SHARD, open_sources


def _jpeg(shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (shade, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def _write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))


def test_a_folder_may_hold_images_and_tars_nested(tmp_path: Path) -> None:
    """Keys are paths below the source, a tar standing for a folder of its name."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "one.JPG").write_bytes(_jpeg())
    _write_tar(tmp_path / "deep" / "sa_000000.tar", {"sa_1.jpg": _jpeg(), "sa_1.json": b"{}"})
    _write_tar(tmp_path / "sa_000001.tar", {"./sa_2.jpg": _jpeg()})
    shards = open_sources([tmp_path])

    assert [shard.name for shard in shards] == ["deep/sa_000000", "files-00000", "sa_000001"]
    assert [file.key for shard in shards for file in shard.files()] == [
        "deep/sa_000000/sa_1.jpg",
        "deep/er/one.JPG",
        "sa_000001/sa_2.jpg",
    ]


def test_a_member_is_found_again_by_its_offset(tmp_path: Path) -> None:
    """The bytes of a later read are those of the first."""
    _write_tar(tmp_path / "a.tar", {f"{n}.jpg": _jpeg(n) for n in range(5)})
    (shard,) = open_sources([tmp_path / "a.tar"])
    for file in shard.files():
        assert file.content == shard.read(file.key, file.offset_bytes, len(file.content))


def test_what_is_no_image_is_listed_with_its_reason(tmp_path: Path) -> None:
    """Only sidecars are passed over."""
    (tmp_path / "a.jpg").write_bytes(_jpeg())
    (tmp_path / "a.json").write_bytes(b"{}")
    (tmp_path / "notes.md").write_bytes(b"hello")
    (shard,) = open_sources([tmp_path])

    assert {f.key: f.unreadable for f in shard.files()} == {"a.jpg": None, "notes.md": "not an image: .md"}


@pytest.mark.parametrize("keep_bytes", [0, 100, 512, 700, 3000])
def test_a_truncated_tar_says_so_and_gives_what_is_whole(tmp_path: Path, keep_bytes: int) -> None:
    """Whole members are read; the cut is a record, never an exception."""
    whole = tmp_path / "whole.tar"
    _write_tar(whole, {f"{n}.jpg": _jpeg(n) for n in range(3)})
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:keep_bytes])
    (shard,) = open_sources([tmp_path / "cut.tar"])
    files = list(shard.files())

    assert all(Image.open(io.BytesIO(f.content)) for f in files if f.unreadable is None)
    assert any(f.unreadable is not None and f.unreadable.startswith("truncated archive: ") for f in files)


def test_a_member_name_that_comes_twice_is_listed_as_unreadable(tmp_path: Path) -> None:
    """Two members can't share a key."""
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for shade in (1, 2):
            header = tarfile.TarInfo("same.jpg")
            header.size = len(_jpeg(shade))
            archive.addfile(header, io.BytesIO(_jpeg(shade)))
    (shard,) = open_sources([tmp_path])
    first, second = shard.files()

    assert first.unreadable is None
    assert second.unreadable is not None
    assert second.unreadable.startswith("name twice: ")
    assert first.key != second.key


def test_a_large_folder_is_cut_into_shards(tmp_path: Path) -> None:
    """The shard is the bounded unit of work."""
    for n in range(FILES_PER_SHARD + 1):
        (tmp_path / f"{n:05d}.jpg").touch()

    assert [len(list(shard.files())) for shard in open_sources([tmp_path])] == [FILES_PER_SHARD, 1]


def test_sources_that_cannot_be_are_usage_errors(tmp_path: Path) -> None:
    """Each with what was found and what was expected."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.zip").touch()
    with pytest.raises(UsageError, match="not there"):
        open_sources([tmp_path / "none"])
    with pytest.raises(UsageError, match="no images in"):
        open_sources([tmp_path / "empty"])
    with pytest.raises(UsageError, match="neither a folder nor"):
        open_sources([tmp_path / "file.zip"])


def test_two_sources_that_would_share_a_key_are_refused(tmp_path: Path) -> None:
    """Keys are unique in a run; the error names both files."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").touch()
    with pytest.raises(UsageError, match=r"both get the key x\.jpg"):
        open_sources([tmp_path / "a", tmp_path / "b"])
