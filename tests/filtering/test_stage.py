"""The stage that writes verdicts to the run folder."""

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


def text_with(thing: str) -> str:
    return f"This is a quiet harbour with {thing} beside the wooden pier in the morning light."


def judge(run: RunFolder, job: str = JOB, **settings: object) -> bool:
    return FilterStage(context_of(run, job), FilteringConfig(**settings)).write_verdicts()  # type: ignore[arg-type]


def verdicts(run: RunFolder, job: str = JOB) -> list[Verdict]:
    return list(run.verdicts(job, SHARD))


def journal(run: RunFolder, **caption: str) -> None:
    with JournalWriter(run.captions_file(JOB, SHARD)) as writer:
        writer.commit([Caption(**{"job": JOB, "finish_reason": "stop", **caption})])


def test_every_caption_gets_a_verdict_in_plan_order(make_run) -> None:
    """Whatever the order of answers in the journal."""
    run = make_run([text_with("a boat"), "Boat.", text_with("a gull")], journal_order=[2, 0, 1])

    assert judge(run)

    assert [True, False, True] == [verdict.keep for verdict in verdicts(run)]
    assert [f"{JOB}:{SHARD}/sa_{i:03d}.jpg" for i in (1, 2, 3)] == [v.id for v in verdicts(run)]


def test_a_failed_caption_gets_no_verdict(make_run) -> None:
    """It is counted as failed, not as rejected."""
    run = make_run([text_with("a boat"), None])

    judge(run)

    assert 1 == len(verdicts(run))


def test_the_earliest_of_equal_captions_is_kept(make_run) -> None:
    """The earliest in plan order, not in the journal. Case, punctuation and spacing may differ."""
    texts = [text_with("a boat"), text_with("a gull"), text_with("A  BOAT,")]
    run = make_run(texts, journal_order=[2, 1, 0])

    judge(run)

    assert [None, None, "exact_duplicate"] == [verdict.reason for verdict in verdicts(run)]


def test_a_caption_equal_to_a_rejected_one_is_kept(make_run) -> None:
    """Here the first of two equal captions was cut off by the token limit."""
    run = make_run([text_with("a boat"), text_with("a boat")])
    journal(run, id=f"{JOB}:{SHARD}/sa_001.jpg", text=text_with("a boat"), finish_reason="length")

    judge(run)

    assert ["truncated", None] == [verdict.reason for verdict in verdicts(run)]


def test_captions_of_sets_have_their_own_thresholds(make_run) -> None:
    """They are stored under the shard of the set's first image."""
    run = make_run([text_with("a boat")], job="multi_en")

    judge(run, "multi_en")

    assert [("multi_en:set0", "too_short")] == [(v.id, v.reason) for v in verdicts(run, "multi_en")]


def test_verdicts_do_not_depend_on_the_order_of_the_journal_or_unplanned_captions(make_run) -> None:
    """Files and digests are the same."""
    texts = [text_with("a boat"), text_with("a gull"), "Boat."]
    plain = make_run(texts, name="plain")
    other = make_run(texts, name="other", journal_order=[2, 1, 0])
    journal(other, id=f"{JOB}:gone.jpg", text=text_with("a boat"))

    judge(plain)
    judge(other)

    assert plain.verdicts_file(JOB, SHARD).read_bytes() == other.verdicts_file(JOB, SHARD).read_bytes()
    assert plain.run_file.stages["verdicts"] == other.run_file.stages["verdicts"]


def test_running_the_stage_again_has_nothing_to_do(make_run) -> None:
    """Captions and thresholds are the same."""
    run = make_run([text_with("a boat")])

    assert [True, False] == [judge(run), judge(run)]


def test_scratch_folders_are_removed_only_if_their_process_has_ended(make_run) -> None:
    """A lock shows whether it has. A dry run may be running at the same time."""
    run = make_run([text_with("a boat")])
    (run.path / ".filter-dead").mkdir()
    with FilterPass(FilteringConfig(), [], run.path, LocalExecutor):
        (in_use,) = set(run.path.glob(".filter-*")) - {run.path / ".filter-dead"}

        assert judge(run)

        assert [in_use] == list(run.path.glob(".filter-*"))
    assert not list(run.path.glob(".filter-*"))


def test_the_stage_runs_again_if_there_are_new_captions(make_run) -> None:
    """No option is needed."""
    run = make_run([text_with("a boat"), None])
    judge(run)
    journal(run, id=f"{JOB}:{SHARD}/sa_002.jpg", text=text_with("a gull"))

    assert judge(run)

    assert 2 == len(verdicts(run))


def test_other_thresholds_require_fresh(make_run) -> None:
    """Old and new verdicts are never mixed."""
    run = make_run([text_with("a boat")])
    judge(run)

    with pytest.raises(SetupError, match=r"thresholds.too_short = None, now it is 11.*--fresh verdicts"):
        judge(run, thresholds={"too_short": 11})


def test_unfinished_captions_are_not_judged(tmp_path: Path) -> None:
    """The error names the command to run first."""
    run = RunFolder.create_or_open(tmp_path / "run")

    with pytest.raises(SetupError, match="triptych caption"):
        judge(run)
