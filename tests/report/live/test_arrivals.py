"""Captions are read from journals while these are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.records import Caption
from triptych.report.live import arrivals
from triptych.report.live.arrivals import Arrivals
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    found = RunFolder.create_or_open(tmp_path / "run")
    found.run_file.generations = {"single_en": "g"}
    return found


def write(run: RunFolder, shard: str, *keys: str, failure: str | None = None) -> None:
    with JournalWriter(run.captions_file("single_en", shard)) as journal:
        journal.commit(
            [Caption(id=f"single_en:{k}", job="single_en", text="A.", failure=failure) for k in keys]
        )


def keys_after_another_look(watched: Arrivals, run: RunFolder) -> list[str]:
    watched.look(run, ["single_en"])
    return [each.caption.id.partition(":")[2] for each in watched.captions]


def test_only_appended_rows_are_read(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look reads the ends of the journals written last; later ones read what was appended."""
    for shard in range(arrivals.BEGINNING_JOURNALS + 3):
        write(run, f"s{shard}", f"old {shard}")
    watched, read = Arrivals(), []
    rows_from = arrivals._rows_from
    monkeypatch.setattr(
        arrivals, "_rows_from", lambda path, at: read.append((Path(path).stem, at)) or rows_from(path, at)
    )

    assert {f"old {shard}" for shard in range(3, 7)} == set(keys_after_another_look(watched, run))

    read.clear()
    size_bytes = run.captions_file("single_en", "s2").stat().st_size
    write(run, "s2", "new")
    write(run, "s/9", "of a new shard", failure="refused: no")

    assert "new" == keys_after_another_look(watched, run)[-1]
    assert ["refused: no"] == [each.caption.failure for each in watched.failures]
    assert [("9", 0), ("s2", size_bytes)] == sorted(read)
    assert watched.answers_per_s("single_en") > 0

    read.clear()
    keys_after_another_look(watched, run)

    assert [] == read


def test_an_incomplete_line_is_read_once_it_is_complete(run: RunFolder) -> None:
    write(run, "s", "a")
    watched = Arrivals()
    keys_after_another_look(watched, run)
    path = run.captions_file("single_en", "s")
    before = path.read_bytes()
    write(run, "s", "b")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(before) + 20])

    assert ["a"] == keys_after_another_look(watched, run)

    path.write_bytes(whole)

    assert ["a", "b"] == keys_after_another_look(watched, run)


def test_only_the_end_of_many_appended_rows_is_read(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """For example after a night in which nobody opened the page."""
    monkeypatch.setattr(arrivals, "MOST_READ_BYTES", 2000)
    monkeypatch.setattr(arrivals, "BEGINNING_BYTES", 500)
    write(run, "s", "a")
    watched = Arrivals()
    keys_after_another_look(watched, run)
    write(run, "s", *(f"{number:04}" for number in range(300)))
    keys = keys_after_another_look(watched, run)[1:]

    assert keys == [f"{number:04}" for number in range(300 - len(keys), 300)]
    assert 0 < len(keys) < 10
