"""What a file's name tells: images by their suffixes, junk of systems and editors, otherwise nothing."""

from pathlib import Path

import pytest

from tests.support.pile import jpeg, keys, reasons, write_file, write_tar, write_zip
from triptych.errors import UnreadableImageError
from triptych.sources.file_names import FileKind, kind_by_name
from triptych.sources.image_decoding import decode_rgb
from triptych.sources.opening import find_sources

JUNK = [
    ".DS_Store", "._x.jpg", "._", "Thumbs.db", "ehthumbs.db", "desktop.ini", "Desktop.ini", ".directory",
    "x.jpg~", ".x.jpg.swp", "#x.jpg#", ".#x.jpg", "x.jpg.bak", "x.jpg.part", "x.crdownload", ".gitattributes",
    ".nfs000000012", "~$table.xlsx", "Icon\r", "_metadata", "_common_metadata", "_SUCCESS", ".0.parquet.crc",
    ".trashed-1700000000-x.jpg", ".pending-1700000000-x.jpg", "x.jpg:Zone.Identifier",
    "x.jpg\uf03aZone.Identifier",
    "Thumbs.db:encryptable", ".nomedia", ".localized", ".hidden", ".stfolder", ".BridgeSort", "autorun.inf",
    ".metadata_never_index", ".com.apple.timemachine.donotpresent", ".thumbdata4--1967290299",
    ".goutputstream-A1B2C3", ".x.jpg.aB3xYz", ".x.tiff.000001", ".x.tar.Zz9999",
]  # fmt: skip
JUNK_FOLDERS = [
    "__MACOSX", ".Trash-1000", "$RECYCLE.BIN", "System Volume Information", "lost+found", "@eaDir",
    ".ipynb_checkpoints", ".git", ".Spotlight-V100", ".stversions", "@Recycle", ".snapshot", "RECYCLER",
    ".dtrash", ".AppleDB", ".AppleDesktop", "Network Trash Folder", "Temporary Items",
]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["x.jpg", "._", "a b.PNG", ".hidden.jpg", "_x.jpg", "x", "x.backup", "-x.jpg", "~x.jpg", "x.jpg.aB3xYz",
     ".x.jpg.aB3xYz7", "zone.identifier.jpg", "recycler"],
)  # fmt: skip
def test_unusual_names_of_images_are_not_junk(name: str) -> None:
    """Hidden files and odd first letters are fine; a bare ``._`` is junk."""
    assert (kind_by_name(name) is FileKind.JUNK) == (name == "._")


def test_junk_is_only_counted(tmp_path: Path) -> None:
    """It has no record, at any depth, and junk folders aren't opened."""
    write_file(tmp_path / "x.jpg")
    for name in JUNK:
        write_file(tmp_path / "a" / name)
    for name in JUNK_FOLDERS:
        write_file(tmp_path / name / "y.jpg")

    assert ["x.jpg"] == keys(tmp_path)
    assert {} == reasons(tmp_path)
    assert len(JUNK) + len(JUNK_FOLDERS) == find_sources([tmp_path]).junk


def test_folders_with_names_like_an_editors_copies_are_read(tmp_path: Path) -> None:
    """People choose such names for folders."""
    names = [".hidden", "2019.bak", "holiday.orig", "photos~", "recycler", "set.download"]
    for name in names:
        write_file(tmp_path / name / "x.jpg")

    assert [f"{name}/x.jpg" for name in names] == keys(tmp_path)


def test_junk_in_archives_is_passed_over(tmp_path: Path) -> None:
    """macOS puts it into every zip."""
    members = {"a/x.jpg": jpeg(), "__MACOSX/a/._x.jpg": b"Mac OS X", "a/.DS_Store": b"Bud1", "a/._x.jpg": b""}
    write_zip(tmp_path / "z.zip", members)
    write_tar(tmp_path / "t.tar", members)

    assert ["t/a/x.jpg", "z/a/x.jpg"] == keys(tmp_path)
    assert {} == reasons(tmp_path)


def test_junk_that_is_added_changes_no_fingerprint(tmp_path: Path) -> None:
    """Nor does any other file that can't be an image, and none moves images to other shards."""
    write_file(tmp_path / "m.jpg")
    (before,) = find_sources([tmp_path]).shards
    for name in (".DS_Store", "a.md", "z.md", "about.parquet", "m.json", "lost+found/x.jpg"):
        write_file(tmp_path / name, b"no image")
    (tmp_path / "about.parquet").unlink()
    (after,) = find_sources([tmp_path]).shards

    assert before.fingerprint() == after.fingerprint()


@pytest.mark.parametrize(
    "name",
    [
        "x.jfif",
        "x.JPE",
        "x.jif",
        "d41d8cd98f00b204e9800998ecf8427e",
        "x.jpg!small",
        "x.jpg?w=100",
        "x.1",
        "x.md",
    ],
)
def test_an_image_is_recognised_by_its_bytes_if_its_name_says_nothing(tmp_path: Path, name: str) -> None:
    """As a loose file and in archives."""
    write_file(tmp_path / "loose" / name)
    write_tar(tmp_path / "t.tar", {name: jpeg()})
    write_zip(tmp_path / "z.zip", {name: jpeg()})

    assert [f"loose/{name}", f"t/{name}", f"z/{name}"] == keys(tmp_path)


@pytest.mark.parametrize("name", ["a.jpg", "a.tar", "a.tar.gz", "a.zip", "a.parquet", "a.txt.1", "a"])
def test_a_git_lfs_pointer_is_called_so(tmp_path: Path, name: str) -> None:
    """A dataset cloned without its files isn't damaged."""
    write_file(tmp_path / "x.jpg")
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    write_file(tmp_path / name, pointer)
    (file,) = (f for shard in find_sources([tmp_path]).shards for f in shard.files() if f.key == name)
    why = file.unreadable
    if why is None:
        with pytest.raises(UnreadableImageError) as raised:
            decode_rgb(file.content)
        why = str(raised.value)

    assert "unsupported format: Git LFS pointer, as in a clone without its files; run `git lfs pull`" == why


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x.md", "not an image: .md"),
        ("x", "not an image: no suffix"),
        ("x.NEF", "unsupported format: .nef"),
        ("x.svg", "unsupported format: .svg"),
    ],
)
def test_a_file_that_is_not_a_readable_image_has_the_true_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    """A picture in an unsupported format isn't called "not an image"."""
    write_file(tmp_path / "x.jpg")
    write_file(tmp_path / name, b"II*\0 whatever" if name.endswith("NEF") else b"some text")
    (found,) = [f.unreadable for s in find_sources([tmp_path]).shards for f in s.files() if f.unreadable]

    assert found is not None and found.startswith(reason)
