"""What was captioned, in the order of the plan; goes with its last use (see JobPlan.read_all)."""

from __future__ import annotations

from collections.abc import Iterator

from triptych.jobs import Job
from triptych.records import Caption
from triptych.runs.captions_digest import captions_digest as captions_digest
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, Target


def captioned_targets(run: RunFolder, job: Job) -> Iterator[tuple[str, list[tuple[Target, Caption]]]]:
    """``(shard, [(target, caption)])`` in plan order, without targets that have no caption yet."""
    for shard, planned in JobPlan(run, job).read_all():
        yield shard, [(each.target, each.caption) for each in planned if each.caption is not None]
