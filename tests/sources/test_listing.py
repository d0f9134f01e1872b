"""Patterns and lists give files the same keys as their folder would."""

from pathlib import Path

import pytest

from tests.support.pile import jpeg, keys, read_again, reasons, write_file, write_tar
from triptych.errors import UsageError
from triptych.sources.loose_files import LooseShard
from triptych.sources.opening import open_sources


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """Images at three depths, a sidecar, tars, a hidden folder and a link back to the top."""
    for name in ("x.jpg", "a/x.jpg", "a/b/y.png", "a/b/y.json", ".hidden/z.jpg"):
        write_file(tmp_path / "photos" / name)
    for number in range(3):
        write_tar(tmp_path / "sa1b" / f"sa_{number:06d}.tar", {f"sa_{number}.jpg": jpeg()})
    (tmp_path / "photos" / "a" / "back").symlink_to(tmp_path / "photos")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("photos/**/*.jpg", ["a/x.jpg", "x.jpg"]),
        ("photos/*.jpg", ["x.jpg"]),
        ("photos/*/*", ["a/b/y.png", "a/x.jpg"]),
        ("photos/**", ["a/b/y.png", "a/x.jpg", "x.jpg"]),
        ("photos/**/[xy].*", ["a/b/y.png", "a/x.jpg", "x.jpg"]),
        ("sa1b/sa_*.tar", ["sa_000000/sa_0.jpg", "sa_000001/sa_1.jpg", "sa_000002/sa_2.jpg"]),
        ("sa1b/sa_00000[12].tar", ["sa_000001/sa_1.jpg", "sa_000002/sa_2.jpg"]),
        ("*/a/x.jpg", ["photos/a/x.jpg"]),
    ],
)
def test_a_pattern_gives_keys_below_its_first_wildcard(pile: Path, pattern: str, found: list[str]) -> None:
    """Matching folders are searched; hidden ones don't match; links back aren't followed."""
    assert found == keys(pile / pattern)


def test_a_pattern_that_matches_nothing_is_a_usage_error(pile: Path) -> None:
    """It isn't an empty dataset."""
    with pytest.raises(UsageError, match="matches nothing"):
        open_sources([pile / "photos" / "*.webp"])


def test_an_existing_folder_is_not_taken_for_a_pattern(pile: Path) -> None:
    """Also if a real wildcard follows it."""
    write_file(pile / "[2023]" / "z.jpg")

    assert ["z.jpg"] == keys(pile / "[2023]")
    assert ["z.jpg"] == keys(pile / "[2023]" / "*.jpg")


@pytest.mark.parametrize("suffix", [".txt", ".lst"])
def test_a_list_names_files_relative_to_itself_or_absolutely(pile: Path, suffix: str) -> None:
    """Keys are paths below the list's folder if possible. A file named twice counts once."""
    elsewhere = write_file(pile / "elsewhere" / "e.jpg")
    lines = ["a/x.jpg", "", f"{pile}/photos/x.jpg", "a/../a/x.jpg", "../sa1b/sa_000000.tar", str(elsewhere)]
    named = write_file(pile / "photos" / f"train{suffix}", "\r\n".join(lines).encode())
    outside = str(pile)[1:]

    assert {"a/x.jpg", "x.jpg", f"{outside}/elsewhere/e.jpg", f"{outside}/sa1b/sa_000000/sa_0.jpg"} == set(
        keys(named)
    )
    assert all(all(read_again(shard)) for shard in open_sources([named]))


def test_an_object_listed_with_two_schemes_counts_once(tmp_path: Path) -> None:
    """In one list or in several; the first URL is used."""
    lines = b"http://x.org/a.jpg\nhttps://x.org/a.jpg\nhttps://x.org/b.jpg\nHTTP://x.org/b.jpg\n"
    one, two = (write_file(tmp_path / name, lines) for name in ("one.txt", "two.txt"))
    two.write_bytes(b"https://x.org/a.jpg\nhttp://x.org/c.jpg\n")

    for sources, found in (
        ([one], ["http://x.org/a.jpg", "https://x.org/b.jpg"]),
        ([one, two], ["http://x.org/a.jpg", "https://x.org/b.jpg", "http://x.org/c.jpg"]),
    ):
        (shard,) = open_sources(sources)

        assert isinstance(shard, LooseShard)
        assert found == [shard.loose.path(at) for at in range(len(found))]
        assert len(found) == shard.file_count


def test_objects_of_two_stores_that_would_share_a_key_are_refused(tmp_path: Path) -> None:
    """They are different objects. The error doesn't advise links, which exist only for files."""
    named = write_file(tmp_path / "list.txt", b"s3://x.org/a.jpg\nhttps://x.org/a.jpg\n")

    with pytest.raises(UsageError, match=r"both get the key x\.org/a\.jpg; name only one of them"):
        open_sources([named])


def test_a_missing_listed_file_is_recorded(pile: Path) -> None:
    """As missing, whatever its name says."""
    named = write_file(pile / "photos" / "list.txt", b"x.jpg\nnone.jpg\nnone.tar\nnotes.md\n")

    assert ["x.jpg"] == keys(named)
    assert {"none.jpg": "read error", "none.tar": "read error", "notes.md": "read error"} == reasons(named)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_may_be_in_any_unicode_encoding(pile: Path, encoding: str) -> None:
    """PowerShell writes UTF-16, with a byte order mark."""
    listed = write_file(pile / "photos" / "list.txt", "x.jpg\r\na/x.jpg\r\n".encode(encoding))

    assert ["a/x.jpg", "x.jpg"] == keys(listed)


def test_a_list_of_a_terabyte_without_a_line_is_a_usage_error(pile: Path) -> None:
    """It isn't read to its end."""
    with (pile / "list.txt").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="expected a file a line"):
        open_sources([pile / "list.txt"])


@pytest.mark.parametrize("lines", [b"photos/x.jpg\nphotos/a/x.jpg\n", b"", b"\n\n"])
def test_a_list_without_any_existing_file_is_a_usage_error(pile: Path, lines: bytes) -> None:
    """Its paths are probably relative to another folder."""
    with pytest.raises(UsageError, match=r"none of the \d files .* relative to the list's folder"):
        open_sources([write_file(pile / "photos" / "list.txt", lines)])
