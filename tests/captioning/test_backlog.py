"""What is left of a job, and how it is cut into groups."""

from __future__ import annotations

from tests.support.contexts import limited
from tests.support.small_run import SmallRun
from triptych.captioning.backlog import Backlog, CaptionCounts, cut_into_groups
from triptych.records import Caption
from triptych.runs.journal import JournalWriter
from triptych.runs.plan import JobPlan, Planned


class Counted(JobPlan):
    """A plan that notes which shards are read."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.reads: list[str] = []

    def read(self, shard: str, *, verdicts: bool = False) -> list[Planned]:
        self.reads.append(shard)
        return super().read(shard, verdicts=verdicts)


def test_a_finished_shard_is_read_once(small_run: SmallRun) -> None:
    """When it is counted; groups are made of those that miss something."""
    first, *others = small_run.run.shards()
    plan = Counted(small_run.run, limited("single_en", None))
    rows = [Caption(id=target.id, job="single_en", text="A kite.") for target in plan.targets(first)]
    writer = JournalWriter(small_run.run.captions_file("single_en", first))
    writer.commit([*rows[:-1], Caption(id=rows[-1].id, job="single_en", failure="refused: x")])
    writer.close()

    backlog = Backlog(plan)
    groups = list(backlog.groups(4))

    expected = CaptionCounts(planned=13, captioned=len(rows) - 1, failed=1, failed_by={"refused": 1})
    assert expected == backlog.counts
    assert 13 - len(rows) == backlog.counts.missing
    assert set(others) == {group.shard for group in groups}
    assert [first, *others, *others] == plan.reads


def test_groups_depend_on_the_plan_alone(small_run: SmallRun) -> None:
    """Equally many images in a group, never more than its size, every target once."""
    targets = [t for _, shard in JobPlan(small_run.run, limited("multi_en", None)).shards() for t in shard]

    groups = list(cut_into_groups(targets, 2))

    assert [{2}, {2}, {3}] == [{len(target.images) for target in group} for group in groups]
    assert sorted(t.id for t in targets) == sorted(t.id for group in groups for t in group)
