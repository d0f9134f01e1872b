"""The ledger of a sound run adds up, whether it is finished or not. Otherwise it lists the violations."""

from pathlib import Path

import msgspec
import pytest

from tests.support.contexts import JOBS
from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Screened, Verdict
from triptych.runs.folder import RunFolder, StageName
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import write_jsonl
from triptych.runs.ledger import Ledger, recount

JOB = "single_en"


def image_set(identifier: str, *keys: str) -> ImageSet:
    return ImageSet(id=identifier, keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.8)


def duplicate(key: str, of: str) -> Duplicate:
    return Duplicate(key=key, of=of, reason="same bytes", cosine_similarity=1)


@pytest.fixture
def grouped(tmp_path: Path) -> RunFolder:
    """A run of eight files in two shards: one unreadable, one duplicate, a set of two, four single images."""
    run = RunFolder.create_or_open(tmp_path / "run")
    for shard in ("a", "b"):
        records = [ImageRecord(key=f"{shard}/{i}.jpg", width_px=9, height_px=6) for i in range(4)]
        if shard == "b":
            records[3] = ImageRecord(key="b/3.jpg", unreadable="truncated: cut short")
        write_jsonl(run.images_file(shard), records)
    write_jsonl(run.duplicates_file, [duplicate("a/1.jpg", "a/0.jpg")])
    write_jsonl(run.sets_file, [image_set("s1", "a/0.jpg", "b/0.jpg")])
    finish(run, "embeddings", "sets")
    return run


@pytest.fixture
def judged(grouped: RunFolder) -> RunFolder:
    """The same with six planned captions: one failed, one rejected, four kept."""
    for shard, numbers in (("a", (0, 2, 3)), ("b", (0, 1, 2))):
        ids = [f"{JOB}:{shard}/{i}.jpg" for i in numbers]
        journal(
            grouped, shard, *(Caption(id=i, job=JOB, text="A boat.") for i in ids if i != "single_en:b/2.jpg")
        )
        write_jsonl(
            grouped.verdicts_file(JOB, shard),
            [Verdict(id=i, keep=True) for i in ids if i not in ("single_en:b/1.jpg", "single_en:b/2.jpg")]
            + [Verdict(id=i, keep=False, reason="too_short") for i in ids if i == "single_en:b/1.jpg"],
        )
    journal(grouped, "b", Caption(id="single_en:b/2.jpg", job=JOB, failure="timeout: no answer"))
    finish(grouped, "captions", "verdicts")
    return grouped


def finish(run: RunFolder, *stages: StageName) -> None:
    for stage in stages:
        run.begin_stage(stage, {}, {})
        run.finish_stage(stage)


def journal(run: RunFolder, shard: str, *captions: Caption) -> None:
    with JournalWriter(run.captions_file(JOB, shard)) as writer:
        writer.commit(captions)


def ledger_of(run: RunFolder) -> Ledger:
    return recount(run, [JOBS[JOB]])


def test_a_sound_run_adds_up(judged: RunFolder) -> None:
    """All counts are taken from the files."""
    ledger = ledger_of(judged)

    assert [] == ledger.violations()
    assert {
        "found": 8,
        "unreadable": {"truncated": 1},
        "screened": {},
        "duplicates": {"same bytes": 1},
        "in_sets": 2,
        "single": 4,
        "sets": 1,
        "gone": 0,
    } == msgspec.to_builtins(ledger.images)
    assert {
        "planned": 6,
        "captioned": 5,
        "failed": {"timeout": 1},
        "pending": 0,
        "kept": 4,
        "repaired": 0,
        "rejected": {"too_short": 1},
    } == msgspec.to_builtins(ledger.jobs[JOB])
    assert ("export",) == ledger.unfinished


def test_screened_images_are_counted_and_not_planned(grouped: RunFolder) -> None:
    """One that is listed twice, unreadable, or a duplicate as well is a violation."""
    write_jsonl(grouped.screened_file, [Screened(key="a/2.jpg", reason="blurred", value=12.5)])

    ledger = ledger_of(grouped)

    assert [] == ledger.violations()
    assert ({"blurred": 1}, 3) == (ledger.images.screened, ledger.images.single)
    assert 5 == ledger.jobs[JOB].planned

    both = Screened(key="a/1.jpg", reason="too_dark", value=3)
    write_jsonl(grouped.screened_file, [both, both, Screened(key="b/3.jpg", reason="blurred", value=1)])
    assert {
        "a/1.jpg is screened out, and a duplicate or in a set",
        "a/1.jpg is screened out 2 times",
        "b/3.jpg, which is screened out, is no readable image of the run",
        "images: 8 found, but 1 unreadable + 3 screened out + 1 duplicates + 2 in sets + 4 single make 11",
    } == set(ledger_of(grouped).violations())


def test_an_empty_run_has_no_counts_and_no_violation(tmp_path: Path) -> None:
    """Unknown counts are None."""
    ledger = ledger_of(RunFolder.create_or_open(tmp_path / "run"))

    assert [] == ledger.violations()
    assert (None, None) == (ledger.images.found, ledger.jobs[JOB].planned)


def test_captions_still_to_be_made_are_pending(grouped: RunFolder) -> None:
    """They are no violation before captioning has finished."""
    journal(grouped, "a", Caption(id="single_en:a/0.jpg", job=JOB, text="A boat."))

    ledger = ledger_of(grouped)

    assert [] == ledger.violations()
    assert (6, 1, 5, None) == (
        ledger.jobs[JOB].planned,
        ledger.jobs[JOB].captioned,
        ledger.jobs[JOB].pending,
        ledger.jobs[JOB].kept,
    )


def test_captions_missing_from_a_finished_stage_are_a_violation(grouped: RunFolder) -> None:
    """Once captioning has finished, everything planned is captioned or failed."""
    finish(grouped, "captions")

    assert ["single_en: 6 planned, but 0 captioned + 0 failed make 0"] == ledger_of(grouped).violations()


def test_captions_that_are_no_longer_planned_are_no_violation(judged: RunFolder) -> None:
    """Their images may have left the sources since."""
    journal(judged, "a", Caption(id="single_en:gone.jpg", job=JOB, text="A boat."))

    assert [] == ledger_of(judged).violations()


def test_a_caption_journalled_twice_is_a_violation(judged: RunFolder) -> None:
    """A resumed run must not request a caption that exists."""
    journal(judged, "a", Caption(id="single_en:a/0.jpg", job=JOB, text="A boat."))

    assert ["single_en:a/0.jpg is captioned twice in shard a"] == ledger_of(judged).violations()


def test_a_caption_without_a_verdict_is_a_violation(judged: RunFolder) -> None:
    """The violations name the caption and the sum that doesn't add up."""
    write_jsonl(judged.verdicts_file(JOB, "b"), [Verdict(id="single_en:b/0.jpg", keep=True)])

    assert [
        "no verdict on single_en:b/1.jpg",
        "single_en: 5 captioned, but 4 kept + 0 rejected make 4",
    ] == ledger_of(judged).violations()


@pytest.mark.parametrize("orphan", ["single_en:gone.jpg", "single_en:b/2.jpg"])
def test_a_verdict_without_a_caption_is_a_violation(judged: RunFolder, orphan: str) -> None:
    """Its target isn't planned, or its caption failed."""
    with JournalWriter(judged.verdicts_file(JOB, "b")) as writer:
        writer.commit([Verdict(id=orphan, keep=True)])

    assert [f"verdict on {orphan}, which has no caption in the plan"] == ledger_of(judged).violations()


def test_an_image_in_two_sets_is_a_violation(grouped: RunFolder) -> None:
    """Sets are disjoint."""
    write_jsonl(
        grouped.sets_file, [image_set("s1", "a/0.jpg", "b/0.jpg"), image_set("s2", "a/0.jpg", "b/1.jpg")]
    )

    assert "image a/0.jpg is in two sets: s1 and s2" in ledger_of(grouped).violations()


@pytest.mark.parametrize(
    ("key", "violation"),
    [
        ("a/1.jpg", "image a/1.jpg of set s1 is a duplicate"),
        ("b/3.jpg", "image b/3.jpg of set s1 is no readable image of the run"),
        ("gone.jpg", "image gone.jpg of set s1 is no readable image of the run"),
    ],
)
def test_a_set_of_duplicate_unreadable_or_unknown_images_is_a_violation(
    grouped: RunFolder, key: str, violation: str
) -> None:
    """The captions to plan are unknown then."""
    write_jsonl(grouped.sets_file, [image_set("s1", "a/0.jpg", key)])

    ledger = ledger_of(grouped)

    assert violation in ledger.violations()
    assert ledger.jobs[JOB].planned is None


def test_a_duplicate_of_a_duplicate_is_a_violation(grouped: RunFolder) -> None:
    """A duplicate refers to an image that is kept."""
    write_jsonl(grouped.duplicates_file, [duplicate("a/1.jpg", "a/2.jpg"), duplicate("a/2.jpg", "a/3.jpg")])

    assert ["a/1.jpg is a duplicate of a/2.jpg, itself a duplicate"] == ledger_of(grouped).violations()


def test_images_that_do_not_add_up_are_a_violation(grouped: RunFolder) -> None:
    """The violation shows the counts."""
    write_jsonl(grouped.duplicates_file, [duplicate("a/1.jpg", "a/0.jpg"), duplicate("gone.jpg", "a/0.jpg")])

    assert [
        "duplicate gone.jpg is no readable image of the run",
        "images: 8 found, but 1 unreadable + 0 screened out + 2 duplicates + 2 in sets + 4 single make 9",
    ] == ledger_of(grouped).violations()
