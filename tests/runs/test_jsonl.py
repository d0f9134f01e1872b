"""A file is written completely or not at all, and errors in it name the line."""

import errno
import os
from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.records import Duplicate
from triptych.runs.jsonl import digest_of_files, read_jsonl, write_jsonl, written_whole


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """No partial file remains."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_whole(path) as file:
        file.write(b"new")
        raise RuntimeError

    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())


def test_records_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    """Including text that needs escaping."""
    rows = [Duplicate(key='a/"\n\u2028.jpg', of="a/2.jpg", reason="same bytes", cosine_similarity=1.0)]

    assert write_jsonl(tmp_path / "rows.jsonl", rows) == 1
    assert rows == list(read_jsonl(tmp_path / "rows.jsonl", Duplicate))


def test_an_error_names_the_file_and_line_of_a_damaged_row(tmp_path: Path) -> None:
    """Not the position in the decoder."""
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with pytest.raises(SetupError, match=r"rows\.jsonl, line 1: expected JSON of the type Duplicate"):
        list(read_jsonl(tmp_path / "rows.jsonl", Duplicate))


@pytest.mark.parametrize("damage", [b"{}", b'{"key":"\xff"}', b"\x00", b'{"a":' + b"[" * 5000])
def test_an_error_names_the_line_of_a_row_far_into_a_file(tmp_path: Path, damage: bytes) -> None:
    """Files are read in blocks of a megabyte; lines are numbered from the start. Earlier rows are read."""
    row = Duplicate(key="k" * 1000, of="o", reason="same bytes", cosine_similarity=1.0)
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [row] * 3000)
    lines = path.read_bytes().splitlines()
    lines[2500] = damage
    path.write_bytes(b"\n".join(lines) + b"\n" + b"{broken\n")
    read = []

    with pytest.raises(SetupError, match="line 2501:"):
        read.extend(read_jsonl(path, Duplicate))

    assert 2500 == len(read)


def test_a_digest_depends_on_names_and_bytes_but_not_on_order(tmp_path: Path) -> None:
    """A stage reads a set of files."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    before = digest_of_files(tmp_path, [one, two])

    assert before == digest_of_files(tmp_path, [two, one])

    one.write_bytes(b"2")
    two.write_bytes(b"1")

    assert before != digest_of_files(tmp_path, [one, two])


def test_a_link_in_place_of_a_new_file_is_not_followed(tmp_path: Path) -> None:
    """Its target stays unchanged."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    (tmp_path / "rows.jsonl.part").symlink_to(outside)
    with pytest.raises(OSError), written_whole(tmp_path / "rows.jsonl") as file:
        file.write(b"new")

    assert b"precious" == outside.read_bytes()


def test_a_failed_write_names_its_file(tmp_path: Path) -> None:
    """An OSError raised by a write has no file name of its own."""
    with pytest.raises(OSError) as raised, written_whole(tmp_path / "rows.jsonl"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert str(tmp_path / "rows.jsonl") == raised.value.filename
