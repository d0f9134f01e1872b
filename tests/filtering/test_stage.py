"""The stage: verdicts in the run folder."""

from pathlib import Path

import pytest

from tests.support.contexts import context_of
from triptych.errors import SetupError
from triptych.executors.local import LocalExecutor
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import FilterPass
from triptych.filtering.stage import FilterStage
from triptych.records import Caption, Verdict
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter

JOB: str = "single_en"
SHARD = "sa_000000"


def said(what: str) -> str:
    return f"This is a quiet harbour with {what} beside the wooden pier in the morning light."


def judge(run: RunFolder, job: str = JOB, **settings: object) -> bool:
    return FilterStage(context_of(run, job), FilteringConfig(**settings)).write_verdicts()  # type: ignore[arg-type]


def verdicts(run: RunFolder, job: str = JOB) -> list[Verdict]:
    return list(run.verdicts(job, SHARD))


def journal(run: RunFolder, **caption: str) -> None:
    with JournalWriter(run.captions_file(JOB, SHARD)) as writer:
        writer.commit([Caption(**{"job": JOB, "finish_reason": "stop", **caption})])


def test_every_caption_gets_a_verdict_in_plan_order(make_run) -> None:
    """Whatever the order in which answers were journalled."""
    run = make_run([said("a boat"), "Boat.", said("a gull")], journal_order=[2, 0, 1])

    assert judge(run)

    assert [True, False, True] == [verdict.keep for verdict in verdicts(run)]
    assert [f"{JOB}:{SHARD}/sa_{i:03d}.jpg" for i in (1, 2, 3)] == [v.id for v in verdicts(run)]


def test_a_failed_caption_gets_no_verdict(make_run) -> None:
    """It is counted as failed, not as rejected."""
    run = make_run([said("a boat"), None])

    judge(run)

    assert 1 == len(verdicts(run))


def test_of_equal_captions_the_earliest_stays(make_run) -> None:
    """Equal but for case, punctuation and spacing; earliest in plan order, not in the journal's."""
    texts = [said("a boat"), said("a gull"), said("A  BOAT,")]
    run = make_run(texts, journal_order=[2, 1, 0])

    judge(run)

    assert [None, None, "exact_duplicate"] == [verdict.reason for verdict in verdicts(run)]


def test_a_rejected_caption_does_not_take_its_equal_with_it(make_run) -> None:
    """Where the first of two equal texts was cut by the token limit, the second stays."""
    run = make_run([said("a boat"), said("a boat")])
    journal(run, id=f"{JOB}:{SHARD}/sa_001.jpg", text=said("a boat"), finish_reason="length")

    judge(run)

    assert ["truncated", None] == [verdict.reason for verdict in verdicts(run)]


def test_a_set_is_judged_by_its_own_thresholds(make_run) -> None:
    """Multi-image captions are planned by set, and filed under the shard of its first image."""
    run = make_run([said("a boat")], job="multi_en")

    judge(run, "multi_en")

    assert [("multi_en:set0", "too_short")] == [(v.id, v.reason) for v in verdicts(run, "multi_en")]


def test_verdicts_do_not_depend_on_the_journal(make_run) -> None:
    """Order and captions that are no longer planned leave no trace, in no file and no digest."""
    texts = [said("a boat"), said("a gull"), "Boat."]
    plain = make_run(texts, name="plain")
    other = make_run(texts, name="other", journal_order=[2, 1, 0])
    journal(other, id=f"{JOB}:gone.jpg", text=said("a boat"))

    judge(plain)
    judge(other)

    assert plain.verdicts_file(JOB, SHARD).read_bytes() == other.verdicts_file(JOB, SHARD).read_bytes()
    assert plain.run_file.stages["verdicts"] == other.run_file.stages["verdicts"]


def test_a_second_run_has_nothing_to_do(make_run) -> None:
    """Same captions, same thresholds."""
    run = make_run([said("a boat")])

    assert [True, False] == [judge(run), judge(run)]


def test_scratch_of_a_dry_run_beside_it_is_left_and_that_of_the_dead_is_not(make_run) -> None:
    """Whose process is at work is told by a lock."""
    run = make_run([said("a boat")])
    (run.path / ".filter-dead").mkdir()
    with FilterPass(FilteringConfig(), [], run.path, LocalExecutor):
        (alive,) = set(run.path.glob(".filter-*")) - {run.path / ".filter-dead"}

        assert judge(run)

        assert [alive] == list(run.path.glob(".filter-*"))
    assert not list(run.path.glob(".filter-*"))


def test_new_captions_are_judged_anew(make_run) -> None:
    """Verdicts follow the captions without being asked to."""
    run = make_run([said("a boat"), None])
    judge(run)
    journal(run, id=f"{JOB}:{SHARD}/sa_002.jpg", text=said("a gull"))

    assert judge(run)

    assert 2 == len(verdicts(run))


def test_other_thresholds_ask_for_fresh(make_run) -> None:
    """Old and new verdicts are never mixed."""
    run = make_run([said("a boat")])
    judge(run)

    with pytest.raises(SetupError, match=r"thresholds.too_short = None, now it is 11.*--fresh verdicts"):
        judge(run, thresholds={"too_short": 11})


def test_unfinished_captions_are_not_judged(tmp_path: Path) -> None:
    """The error says which command comes first."""
    run = RunFolder.create_or_open(tmp_path / "run")

    with pytest.raises(SetupError, match="triptych caption"):
        judge(run)
