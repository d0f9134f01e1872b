"""Sources become shards with stable, unique keys, and every file is accounted for."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.pile import jpeg, keys, read_again, reasons, write_file, write_tar, write_zip
from triptych.errors import UsageError
from triptych.sources.config import InputConfig
from triptych.sources.loose_files import FILES_PER_SHARD
from triptych.sources.opening import open_sources


def test_a_folder_may_have_nested_images_and_tars(tmp_path: Path) -> None:
    """Keys are paths below the source; a tar counts as a folder of its name."""
    write_file(tmp_path / "deep" / "er" / "one.JPG")
    write_tar(tmp_path / "deep" / "sa_000000.tar", {"sa_1.jpg": jpeg(), "sa_1.json": b"{}"})
    write_tar(tmp_path / "sa_000001.tar", {"./sa_2.jpg": jpeg()})

    assert ["deep/sa_000000", "files-00000", "sa_000001"] == [
        shard.name for shard in open_sources([tmp_path])
    ]
    assert ["deep/sa_000000/sa_1.jpg", "deep/er/one.JPG", "sa_000001/sa_2.jpg"] == keys(tmp_path)


def test_other_files_are_recorded_with_a_reason(tmp_path: Path) -> None:
    """Only sidecars are passed over."""
    write_file(tmp_path / "a.jpg")
    for name in ("a.json", "metadata.csv", "notes.md", "more.tar.Z"):
        write_file(tmp_path / name, b"\x1f\x9d" if name.endswith("Z") else b"x")

    assert {"notes.md": "not an image", "more.tar.Z": "compressed tar"} == reasons(tmp_path)


def test_a_large_folder_is_divided_into_shards(tmp_path: Path) -> None:
    """A shard is a unit of work of limited size."""
    for n in range(FILES_PER_SHARD + 1):
        (tmp_path / f"{n:05d}.jpg").touch()

    assert [FILES_PER_SHARD, 1] == [shard.file_count for shard in open_sources([tmp_path])]


def test_a_file_removed_after_listing_is_recorded(tmp_path: Path) -> None:
    """As a read error; the other files are read."""
    gone = write_file(tmp_path / "a.jpg")
    write_file(tmp_path / "b.jpg")
    (shard,) = open_sources([tmp_path])
    gone.unlink()

    assert {"a.jpg": "read error: No such file or directory", "b.jpg": None} == {
        file.key: file.unreadable for file in shard.files()
    }


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("none", "does not exist"),
        ("empty", "no images in"),
        ("x.rar", "not an image: .rar"),
        ("x.tar.Z", "compressed tar: .* unpack it"),
    ],
)
def test_invalid_sources_are_usage_errors(tmp_path: Path, name: str, problem: str) -> None:
    """The error says what was found and what was expected."""
    (tmp_path / "empty").mkdir()
    for archive in ("x.rar", "x.tar.Z"):
        write_file(tmp_path / archive, b"\x1f\x9d")
    with pytest.raises(UsageError, match=f"{problem}.*expected"):
        open_sources([tmp_path / name])


def test_sources_of_several_kinds_can_be_combined(tmp_path: Path) -> None:
    """A folder, a tar and a single image."""
    write_file(tmp_path / "photos" / "a" / "x.jpg")
    write_tar(tmp_path / "sa1b" / "sa_000000.tar", {"sa_1.jpg": jpeg()})
    write_file(tmp_path / "lone.jpg")

    assert ["a/x.jpg", "lone.jpg", "sa_000000/sa_1.jpg"] == keys(
        tmp_path / "photos", tmp_path / "sa1b" / "sa_000000.tar", tmp_path / "lone.jpg"
    )


def test_a_source_named_twice_counts_once(tmp_path: Path) -> None:
    """Here a tar and an image are also in a folder that is a source."""
    write_file(tmp_path / "x.jpg")
    write_tar(tmp_path / "a.tar", {"1.jpg": jpeg()})

    assert ["a/1.jpg", "x.jpg"] == keys(tmp_path, tmp_path / "a.tar", tmp_path, tmp_path / "x.jpg")


def test_a_source_and_a_link_to_it_are_the_same_source(tmp_path: Path) -> None:
    """Each file counts once."""
    write_file(tmp_path / "photos" / "x.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "photos")

    assert ["x.jpg"] == keys(tmp_path / "photos", tmp_path / "link")


@pytest.mark.parametrize("name", ["x.jpg", "sa_0.tar"])
def test_two_sources_that_would_share_a_key_are_refused(tmp_path: Path, name: str) -> None:
    """Keys are unique in a run; the error names both files and says what to do."""
    for folder in ("one", "two"):
        write_tar(tmp_path / folder / name, {"x.jpg": jpeg()})
    with pytest.raises(UsageError, match=r"one/.* and .*two/.* would both get the key .* a link to each"):
        open_sources([tmp_path / "one", tmp_path / "two"])

    (tmp_path / "both").mkdir()
    for folder in ("one", "two"):
        (tmp_path / "both" / folder).symlink_to(tmp_path / folder)

    assert {"one", "two"} == {
        key.partition("/")[0] for key in (keys(tmp_path / "both") or reasons(tmp_path / "both"))
    }


@pytest.mark.parametrize("beside", ["a/x.jpg", "a/deeper/x.jpg"])
def test_a_tar_beside_its_unpacked_folder_is_refused(tmp_path: Path, beside: str) -> None:
    """Its members could have the same keys as the folder's files."""
    write_tar(tmp_path / "a.tar", {"x.jpg": jpeg()})
    write_file(tmp_path / beside)
    with pytest.raises(UsageError, match="share keys"):
        open_sources([tmp_path])


def test_a_tar_beside_a_folder_of_its_name_with_tars_is_refused(tmp_path: Path) -> None:
    """Its members could have the same keys as theirs."""
    write_tar(tmp_path / "a.tar", {"b/x.jpg": jpeg()})
    write_tar(tmp_path / "a" / "deeper" / "b.tar", {"x.jpg": jpeg()})
    with pytest.raises(UsageError, match=r"a\.tar and .*b\.tar would share keys"):
        open_sources([tmp_path])


@pytest.mark.parametrize(
    ("name", "problem"),
    [("files-00000.tar", "rename"), ("files-100000.tar", "rename"), ("x" * 201 + ".tar", "200 bytes")],
)
def test_names_that_a_run_folder_cannot_have_are_refused(tmp_path: Path, name: str, problem: str) -> None:
    """They are found before work starts."""
    write_tar(tmp_path / name, {"x.jpg": jpeg()})
    with pytest.raises(UsageError, match=problem):
        open_sources([tmp_path])


def test_names_similar_to_those_of_shards_of_loose_files_are_accepted(tmp_path: Path) -> None:
    """No shard of loose files has these names."""
    for name in ("files-2023.tar", "files-by-year/2020.tar", "files-00000/x.tar", "files-000000-a.tar"):
        write_tar(tmp_path / name, {"1.jpg": jpeg()})
    write_file(tmp_path / "x.jpg")

    assert [
        "files-00000",
        "files-00000/x",
        "files-000000-a",
        "files-2023",
        "files-by-year/2020",
    ] == [shard.name for shard in open_sources([tmp_path])]


def test_names_with_spaces_newlines_and_emoji_are_keys(tmp_path: Path) -> None:
    """Unchanged; a file can be reread by its key."""
    names = sorted(["a b.jpg", "new\nline.jpg", "🙂/ñ 图.jpg", "%41.jpg", "-x.jpg"])
    for name in names:
        write_file(tmp_path / name)
    (shard,) = open_sources([tmp_path])

    assert names == keys(tmp_path)
    assert [True] * 5 == read_again(shard)


def test_a_name_that_is_not_utf_8_is_recorded(tmp_path: Path) -> None:
    """It can't be written to a row, nor can a tar's name."""
    write_file(tmp_path / "good.jpg")
    write_file(tmp_path / "caf\udce9.jpg")
    write_file(tmp_path / "caf\udce9.tar")

    assert ["good.jpg"] == keys(tmp_path)
    assert {"caf\\xe9.jpg": "unusable name", "caf\\xe9.tar": "unusable name"} == reasons(tmp_path)


@pytest.mark.parametrize(
    "name", ["photos\udcff", "photos\udcff/a", "photos\udcff/a/x.jpg", "photos\udcff/a/*.jpg"]
)
def test_a_source_whose_own_path_is_not_utf_8_is_a_usage_error(tmp_path: Path, name: str) -> None:
    """The path is part of the run's settings. A link to the source is accepted."""
    write_file(tmp_path / "photos\udcff" / "a" / "x.jpg")
    with pytest.raises(UsageError, match=r"photos\\xff.*: its path is not UTF-8; rename it, or name a link"):
        open_sources([tmp_path / name])
    (tmp_path / "link").symlink_to(tmp_path / "photos\udcff")

    assert ["a/x.jpg"] == keys(tmp_path / "link")


def test_a_name_with_a_nul_in_a_list_is_recorded(tmp_path: Path) -> None:
    """No file system has such a file."""
    write_file(tmp_path / "x" / "good.jpg")
    (tmp_path / "list.txt").write_text("x/good.jpg\nx/b\0.jpg\n")

    assert ["x/good.jpg"] == keys(tmp_path / "list.txt")
    assert {"x/b\\x00.jpg": "unusable name"} == reasons(tmp_path / "list.txt")


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    """Sources often have links to other disks. A link to a folder above it is recorded."""
    write_file(tmp_path / "disk" / "deep" / "x.jpg")
    (tmp_path / "pile").mkdir()
    write_file(tmp_path / "pile" / "own.jpg")
    (tmp_path / "pile" / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "deep" / "back").symlink_to(tmp_path / "disk")
    (tmp_path / "pile" / "itself").symlink_to(tmp_path / "pile" / "itself")
    (tmp_path / "pile" / "nowhere.jpg").symlink_to(tmp_path / "none.jpg")

    assert ["link/deep/x.jpg", "own.jpg"] == keys(tmp_path / "pile")
    assert {
        "itself": "read error",
        "link/deep/back": "link loop",
        "nowhere.jpg": "read error",
    } == reasons(tmp_path / "pile")


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_a_table_about_an_archive_may_be_beside_it(tmp_path: Path, ending: str) -> None:
    """img2dataset writes such tables, beside tars or folders. If both may have images, they are refused."""
    write = write_tar if ending == "tar" else write_zip
    write(tmp_path / f"00000.{ending}", {"0.jpg": jpeg()})
    write_file(tmp_path / "00001" / "1.jpg")
    for number in range(2):
        pq.write_table(pa.table({"url": ["x"], "sha256": ["11"]}), tmp_path / f"0000{number}.parquet")

    assert ["00000/0.jpg", "00001/1.jpg"] == sorted(keys(tmp_path))
    assert {"00000.parquet": "not an image", "00001.parquet": "not an image"} == reasons(tmp_path)

    pq.write_table(pa.table({"jpg": [jpeg()]}), tmp_path / "00000.parquet")
    with pytest.raises(UsageError, match="would both get the key 00000"):
        open_sources([tmp_path])
    (tmp_path / "00000.parquet").unlink()
    pq.write_table(pa.table({"jpg": [jpeg()]}), tmp_path / "00001.parquet")
    with pytest.raises(UsageError, match="would share keys"):
        open_sources([tmp_path])


@pytest.mark.parametrize("empty", [{}, {"q.json": b"{}"}, {f"{n}.json": b"{}" for n in range(300)}])
@pytest.mark.parametrize("ending", ["zip", "tar", "TAR"])
def test_an_archive_without_images_may_have_the_name_of_another(
    tmp_path: Path, ending: str, empty: dict[str, bytes]
) -> None:
    """Annotations may be in an archive of their own, with the name of an archive or folder of images."""
    write_zip(tmp_path / "p.ZIP", {"1.jpg": jpeg()})
    write_file(tmp_path / "q" / "2.jpg")
    for name in ("p", "q"):
        (write_zip if ending == "zip" else write_tar)(tmp_path / f"{name}.{ending}", empty)

    assert {"p/1.jpg", "q/2.jpg"} == set(keys(tmp_path))
    assert {f"p.{ending}": "empty archive", f"q.{ending}": "empty archive"} == reasons(tmp_path)


def test_two_archives_of_one_name_without_images_are_both_recorded(tmp_path: Path) -> None:
    """Neither takes precedence."""
    write_file(tmp_path / "x.jpg")
    write_zip(tmp_path / "p.zip", {"q.json": b"{}"})
    write_tar(tmp_path / "p.tar", {"q.json": b"{}"})

    assert {"p.tar": "empty archive", "p.zip": "empty archive"} == reasons(tmp_path)


def test_of_two_archives_of_one_name_one_has_to_be_excluded(tmp_path: Path) -> None:
    """Both have images. The error advises --exclude, which helps."""
    write_zip(tmp_path / "p.zip", {"1.jpg": jpeg()})
    write_tar(tmp_path / "p.tar", {"1.jpg": jpeg()})
    with pytest.raises(UsageError, match=r"would both get the key p; rename one, or leave .* --exclude"):
        open_sources([tmp_path])

    (shard,) = open_sources([tmp_path], InputConfig(exclude=("p.zip",)))

    assert "p.tar" == shard.archive_key


@pytest.mark.parametrize(
    ("content", "kind"), [(b"7z\xbc\xaf\x27\x1c" + bytes(600), "7z"), (b"Rar!\x1a\x07\x01\0", "rar")]
)
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.cbr", "a"])
def test_an_unsupported_kind_of_archive_is_recognised_by_its_bytes(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    """It isn't called damaged."""
    write_file(tmp_path / "x.jpg")
    write_file(tmp_path / name, content)
    (shard,) = open_sources([tmp_path])

    assert {name: f"unsupported archive: {kind}; unpack it, or make it a zip or a tar", "x.jpg": None} == {
        file.key: file.unreadable for file in shard.files()
    }


def test_a_damaged_table_beside_an_archive_is_recorded(tmp_path: Path) -> None:
    """The record has the table's name; the archive is read."""
    write_tar(tmp_path / "00000.tar", {"0.jpg": jpeg()})
    write_file(tmp_path / "00000.parquet", b"PAR1 damaged")

    assert ["00000/0.jpg"] == keys(tmp_path)
    assert {"00000.parquet": "damaged archive"} == reasons(tmp_path)


def test_other_files_need_no_unique_names(tmp_path: Path) -> None:
    """Two sources may each have a README; both get a record."""
    for folder in ("one", "two"):
        write_file(tmp_path / folder / f"{folder}.jpg")
        write_file(tmp_path / folder / "read.me", b"x")

    assert ["one.jpg", "two.jpg"] == keys(tmp_path / "one", tmp_path / "two")
    assert {"read.me", f"{tmp_path}/two/read.me"[1:]} == set(reasons(tmp_path / "one", tmp_path / "two"))


def _overlapping_sources(pile: Path) -> list[list[Path]]:
    write_file(pile / "all" / "sub" / "x.jpg")
    write_file(pile / "all" / "x.jpg", jpeg(2))
    write_tar(pile / "all" / "sub" / "t.tar", {"1.jpg": jpeg()})
    (pile / "link").symlink_to(pile / "all" / "sub")
    (pile / "x-link.jpg").symlink_to(pile / "all" / "x.jpg")
    names = f"all/sub/x.jpg\n{pile}/all/x.jpg\nlink/x.jpg\nall/sub/t.tar\n"
    lists = [write_file(pile / f"{n}.txt", names.encode()) for n in range(2)]
    return [
        [pile / "all", pile / "all" / "sub"],
        [pile / "all", *lists],
        [pile / "all", pile / "link"],
        [pile / "all", pile / "x-link.jpg", pile / "all" / "x.jpg"],
        [pile / "all", pile / "*" / "*.jpg", pile / "all" / "**" / "*.tar"],
        [pile / "all" / ".." / "all", pile / "all"],
    ]


@pytest.mark.parametrize("way", range(6))
def test_a_file_in_several_sources_counts_once(tmp_path: Path, way: int) -> None:
    """A folder in a folder, a list, a list twice, a link, a pattern: the first source gives the key."""
    sources = _overlapping_sources(tmp_path)[way]

    assert ["sub/x.jpg", "x.jpg", "sub/t/1.jpg"] == sorted(keys(*sources), key=lambda key: "/t/" in key)


def test_a_folder_that_cannot_be_listed_is_recorded(tmp_path: Path) -> None:
    """Its path is too long for the system. Removing permissions wouldn't stop root."""
    write_file(tmp_path / "x.jpg")
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
    finally:
        os.fchdir(before)
        os.close(before)

    assert ["x.jpg"] == keys(tmp_path)
    assert ["read error"] == list(reasons(tmp_path).values())


@pytest.mark.parametrize("name", ["a.TAR", "a.Tar", "a.zip", "a.parquet", "a.tgz", "a", "a.1", "a.dat"])
def test_a_tar_is_recognised_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever its name."""
    write_tar(tmp_path / name, {"1.jpg": jpeg(1)})
    name = name if name in ("a.1", "a.dat") else "a"

    assert [f"{name}/1.jpg"] == keys(tmp_path)
    assert [True] == read_again(open_sources([tmp_path])[0])


@pytest.mark.parametrize(
    "name", ["a.ZIP", "a.tar", "a.Parquet", "a", "a.zip.1", "a.zip?dl=1", "a.cbz", "a.dat", "a.2024-05"]
)
def test_a_zip_is_recognised_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever its name."""
    write_zip(tmp_path / name, {"1.jpg": jpeg(1)})
    stem = "a" if name in ("a.ZIP", "a.tar", "a.Parquet") else name

    assert [f"{stem}/1.jpg"] == keys(tmp_path)
    assert [True] == read_again(open_sources([tmp_path])[0])


@pytest.mark.parametrize(
    "name",
    ["a.docx", "a.XLSX", "a.pptx", "a.odt", "a.epub", "a.jar", "a.apk", "a.whl", "a.keras", "a.kra", "a.usdz",
     "a.docx.1", "a.docx?dl=1", "a (1).odp", "a.ipa"],
)  # fmt: skip
def test_a_zip_that_is_a_document_or_a_program_is_not_read(tmp_path: Path, name: str) -> None:
    """Its pictures are part of the document."""
    write_file(tmp_path / "x.jpg")
    write_zip(tmp_path / name, {"media/1.jpg": jpeg(1)})

    assert ["x.jpg"] == keys(tmp_path)
    assert {name: "not an image"} == reasons(tmp_path)


@pytest.mark.parametrize("name", ["a.PARQUET", "a.parq", "a.pq", "a.tar", "a"])
def test_a_parquet_file_is_recognised_by_its_bytes(tmp_path: Path, name: str) -> None:
    """Whatever its name."""
    pq.write_table(pa.table({"image": [jpeg(1)]}), tmp_path / name)

    assert ["a/0"] == keys(tmp_path)
