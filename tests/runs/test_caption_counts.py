"""Cached caption counts of a shard are valid while its journal and the plan are unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.contexts import limited
from triptych.progress import Silent
from triptych.records import Caption, ImageRecord
from triptych.runs.caption_counts import CaptionCountCache, CaptionCounts
from triptych.runs.folder import RunFolder, StageState
from triptych.runs.journal import JournalWriter, write_journal
from triptych.runs.jsonl import write_jsonl
from triptych.runs.ledger.captions import recount_captions
from triptych.runs.plan import JobPlan

JOB = limited("single_en", None)
COUNTS = CaptionCounts(planned=3, captioned=2, failed_by={"refused": 1})


def _rows(shard: str) -> list[Caption]:
    made = [Caption(id=f"single_en:{shard}/{n}.jpg", job="single_en", text="A kite.") for n in range(2)]
    return [*made, Caption(id=f"single_en:{shard}/2.jpg", job="single_en", failure="refused: no")]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two shards of three images, captioned and counted."""
    run = RunFolder.create_or_open(tmp_path / "run")
    run.run_file.stages["captions"] = StageState(settings={}, inputs={"images": "i"})
    run.run_file.generations["single_en"] = "g"
    write_jsonl(run.duplicates_file, [])
    write_jsonl(run.sets_file, [])
    for shard in ("a", "b"):
        write_jsonl(run.images_file(shard), [ImageRecord(key=f"{shard}/{n}.jpg") for n in range(3)])
        write_journal(run.captions_file("single_en", shard), _rows(shard))
    CaptionCountCache(run, JOB).add([("a", COUNTS), ("b", COUNTS)])
    return run


def test_counts_are_cached(run: RunFolder) -> None:
    """They stay valid until something changes."""
    assert {"a": COUNTS, "b": COUNTS} == CaptionCountCache(run, JOB).read()


def test_a_changed_or_removed_journal_invalidates_its_counts(run: RunFolder) -> None:
    """The counts of other shards stay valid."""
    journal = run.captions_file("single_en", "a")

    journal.write_bytes(journal.read_bytes().replace(b"kite", b"boat"))

    assert ["b"] == list(CaptionCountCache(run, JOB).read())
    run.captions_file("single_en", "b").unlink()
    assert {} == CaptionCountCache(run, JOB).read()


def test_another_plan_or_generation_invalidates_all_counts(run: RunFolder) -> None:
    """A plan changes with its limit and with the images of the run."""
    assert {} == CaptionCountCache(run, limited("single_en", 2)).read()
    run.run_file.generations["single_en"] = "other"
    assert {} == CaptionCountCache(run, JOB).read()
    run.run_file.generations["single_en"] = "g"
    run.run_file.stages["captions"].inputs = {"images": "j"}
    assert {} == CaptionCountCache(run, JOB).read()


@pytest.mark.parametrize("damage", ["flipped", "cut", "no text", "gone"])
def test_damaged_counts_are_ignored(run: RunFolder, damage: str) -> None:
    """Their shards are counted from the journals, and the cache is written again."""
    path = CaptionCountCache(run, JOB).path
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        found = {"flipped": whole.replace(b'"captioned":2', b'"captioned":3', 1), "cut": whole[:-9]}
        path.write_bytes(found.get(damage, b"\xff\x00\n" * 3))

    cached = CaptionCountCache(run, JOB).read()

    assert {"flipped": ["b"], "cut": ["a"]}.get(damage, []) == list(cached)
    CaptionCountCache(run, JOB).add([("a", COUNTS), ("b", COUNTS)])
    assert {"a": COUNTS, "b": COUNTS} == CaptionCountCache(run, JOB).read()


def test_a_recount_reports_wrong_cached_counts(run: RunFolder) -> None:
    """A recount reads the journals, not the cache."""
    plan = JobPlan(run, JOB)
    task = Silent().task("recount", None, "captions")
    with task as counting:
        assert [] == recount_captions(plan, counting)[1]
        CaptionCountCache(run, JOB).add([("b", CaptionCounts(planned=3, captioned=3))])
        (found,) = recount_captions(plan, counting)[1]

    assert "has other counts of b than its journal" in found


def test_a_row_added_to_a_journal_invalidates_its_counts(run: RunFolder) -> None:
    """So the new row is counted, too."""
    with JournalWriter(run.captions_file("single_en", "a")) as journal:
        journal.commit(_rows("a")[:1])

    assert ["b"] == list(CaptionCountCache(run, JOB).read())
