"""A journal returns exactly the committed records."""

import os
import random
import resource
from pathlib import Path

import pytest

from triptych.errors import SetupError
from triptych.records import Caption
from triptych.runs.journal import JournalWriter, read_journal, write_journal


def _captions(count: int) -> list[Caption]:
    return [
        Caption(
            id=f"single_en:a/{n}.jpg", job="single_en", text=f"caption {n} “引号” \n", finish_reason="stop"
        )
        for n in range(count)
    ]


def test_committed_records_are_read_back_in_order(tmp_path: Path) -> None:
    """Several commits read as one list, even if the journal was reopened in between."""
    path = tmp_path / "captions" / "a.jsonl"
    captions = _captions(5)
    with JournalWriter(path) as journal:
        journal.commit(captions[:2])
        journal.commit(captions[2:4])
    with JournalWriter(path) as journal:
        journal.commit(captions[4:])

    assert captions == list(read_journal(path, Caption))


def test_a_missing_journal_is_empty(tmp_path: Path) -> None:
    """It isn't an error, since no caption may have been made yet."""
    assert list(read_journal(tmp_path / "none.jsonl", Caption)) == []


def test_an_incomplete_last_line_is_skipped_and_removed(tmp_path: Path) -> None:
    """Wherever a crash cuts the file, complete lines stay, and the next commit starts on a new line."""
    path = tmp_path / "a.jsonl"
    captions = _captions(6)
    with JournalWriter(path) as journal:
        journal.commit(captions)
    whole = path.read_bytes()
    rng = random.Random(1)
    for cut in [0, 1, len(whole) - 1, *(rng.randrange(len(whole)) for _ in range(40))]:
        path.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")

        assert captions[:kept] == list(read_journal(path, Caption))

        with JournalWriter(path) as journal:
            journal.commit(captions[kept:])

        assert whole == path.read_bytes()


def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    """Only the last line can be incomplete without damage."""
    path = tmp_path / "a.jsonl"
    with JournalWriter(path) as journal:
        journal.commit(_captions(3))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"id": 7}\n' + lines[2])

    with pytest.raises(SetupError, match="line 2"):
        list(read_journal(path, Caption))


def test_an_edited_line_is_an_error_that_names_the_line(tmp_path: Path) -> None:
    """Even if it is valid JSON: with another letter in the caption, a key, white space, or the checksum."""
    path = tmp_path / "a.jsonl"
    write_journal(path, _captions(20_000))
    whole = path.read_bytes()
    at = whole.index(b"caption 15000 ")
    for edited in (
        whole[:at] + b"Caption" + whole[at + 7 :],
        whole[:at] + whole[at:].replace(b'"finish_reason"', b'"finish_reasom"', 1),
        whole[:at] + whole[at:].replace(b'"}\n', b'"} \n', 1),
        whole[:at] + whole[at:].replace(b',"crc32":"', b',"crc32":"x', 1),
    ):
        path.write_bytes(edited)

        with pytest.raises(SetupError, match=r"line 15001: its checksum doesn't fit.*triptych repair"):
            read_journal(path, Caption)
        with pytest.raises(SetupError, match="line 15001: "):
            list(read_journal(path, Caption))


def test_nothing_can_be_committed_after_a_failed_commit(tmp_path: Path) -> None:
    """A full disk may store part of a record. More records would turn it into damage in the middle of the
    file."""
    path = tmp_path / "a.jsonl"
    captions = _captions(300)
    journal = JournalWriter(path)
    journal.commit(captions[:2])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limit[1]))
    try:
        with pytest.raises(OSError) as raised:
            journal.commit(captions[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    with pytest.raises(ValueError):
        journal.commit(captions[2:])

    assert str(path) == raised.value.filename
    assert captions[:2] == list(read_journal(path, Caption))

    with JournalWriter(path) as again:
        again.commit(captions[2:])

    assert captions == list(read_journal(path, Caption))


def test_folder_entries_are_synced_even_if_a_crash_left_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder or journal that exists already may not be on disk yet."""
    synced: set[str] = set()
    fsync = os.fsync

    def record_synced(descriptor: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_synced)
    JournalWriter(tmp_path / "one" / "two" / "a.jsonl").close()

    assert {str(tmp_path), str(tmp_path / "one"), str(tmp_path / "one" / "two")} == synced

    synced.clear()
    (tmp_path / "left").mkdir()
    JournalWriter(tmp_path / "left" / "a.jsonl").close()
    JournalWriter(tmp_path / "one" / "two" / "a.jsonl").close()

    assert {str(tmp_path), str(tmp_path / "left"), str(tmp_path / "one" / "two")} == synced
