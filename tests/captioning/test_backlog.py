"""What is left to caption of a job, and how it is cut into groups."""

from __future__ import annotations

from tests.support.contexts import limited
from tests.support.small_run import SmallRun
from triptych.captioning.backlog import Backlog, cut_into_groups
from triptych.records import Caption
from triptych.runs.caption_counts import CaptionCounts
from triptych.runs.journal import JournalWriter, write_journal
from triptych.runs.plan import JobPlan, Planned


class RecordingPlan(JobPlan):
    """A plan that records which shards are read."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.reads: list[str] = []

    def read(self, shard: str, *, verdicts: bool = False) -> list[Planned]:
        self.reads.append(shard)
        return super().read(shard, verdicts=verdicts)


def test_a_finished_shard_is_read_once(small_run: SmallRun) -> None:
    """It is read to be counted. Groups are cut only from shards that miss captions."""
    first, *others = small_run.run.shards()
    plan = RecordingPlan(small_run.run, limited("single_en", None))
    rows = [Caption(id=target.id, job="single_en", text="A kite.") for target in plan.targets(first)]
    writer = JournalWriter(small_run.run.captions_file("single_en", first))
    writer.commit([*rows[:-1], Caption(id=rows[-1].id, job="single_en", failure="refused: x")])
    writer.close()

    backlog = Backlog(plan)
    groups = list(backlog.groups(4))

    expected = CaptionCounts(planned=13, captioned=len(rows) - 1, failed_by={"refused": 1})
    assert expected == backlog.counts
    assert 13 - len(rows) == backlog.counts.missing
    assert set(others) == {group.shard for group in groups}
    assert [first, *others] == plan.reads


def test_groups_depend_on_the_plan_alone(small_run: SmallRun) -> None:
    """Targets of a group have equally many images, and each target is in exactly one group."""
    targets = [t for _, shard in JobPlan(small_run.run, limited("multi_en", None)).shards() for t in shard]

    groups = list(cut_into_groups(targets, 2))

    assert [{2}, {2}, {3}] == [{len(target.images) for target in group} for group in groups]
    assert sorted(t.id for t in targets) == sorted(t.id for group in groups for t in group)


def test_counts_of_finished_shards_are_cached_between_commands(small_run: SmallRun) -> None:
    """The cached counts are correct, also for shards that were finished in between."""
    first, *others = small_run.run.shards()
    plan = RecordingPlan(small_run.run, limited("single_en", None))
    rows = [Caption(id=target.id, job="single_en", text="A kite.") for target in plan.targets(first)]
    write_journal(small_run.run.captions_file("single_en", first), rows)
    expected = Backlog(plan).counts
    assert [first] == plan.reads

    again = Backlog(plan)
    assert expected == again.counts
    assert [first] == plan.reads

    for group in again.groups(4):
        made = [Caption(id=target.id, job="single_en", text="A kite.") for target in group.targets]
        with JournalWriter(small_run.run.captions_file("single_en", group.shard)) as journal:
            journal.commit(made)
        again.add(group.shard, made)
    assert [first, *others] == plan.reads

    assert again.counts == Backlog(plan).counts == CaptionCounts(planned=13, captioned=13)
    assert [first, *others] == plan.reads


def test_forgotten_failures_are_asked_for_again(small_run: SmallRun) -> None:
    """Even in a finished shard. Journals without such failures aren't touched."""
    first, second, *_ = small_run.run.shards()
    plan = JobPlan(small_run.run, limited("single_en", None))
    for shard, failure in ((first, "no answer: timed out"), (second, "refused: no")):
        ids = [target.id for target in plan.targets(shard)]
        made = [Caption(id=each, job="single_en", text="A kite.") for each in ids[1:]]
        failed = Caption(id=ids[0], job="single_en", failure=failure)
        write_journal(small_run.run.captions_file("single_en", shard), [failed, *made])
    Backlog(plan)
    untouched = small_run.run.captions_file("single_en", second).stat()

    backlog = Backlog(plan)
    backlog.forget_failures()

    assert 1 == backlog.retried
    assert {"refused": 1} == backlog.counts.failed_by
    asked = {missing for group in backlog.groups(4) for missing in group.missing}
    assert plan.targets(first)[0].id in asked
    assert plan.targets(second)[0].id not in asked
    assert untouched == small_run.run.captions_file("single_en", second).stat()
