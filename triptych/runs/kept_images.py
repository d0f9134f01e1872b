"""Which images the kept captions of a run show.

Comes in: a run with verdicts. Goes out: those of some given images that a kept caption shows. Not its job:
what was made of them in a file (see export).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from triptych.records import JobName
from triptych.runs.captioned import PlanLimits
from triptych.runs.folder import RunFolder
from triptych.runs.plan import planned_targets


def kept_among(
    run: RunFolder, jobs: Sequence[JobName], plan_limits: PlanLimits, keys: Collection[str]
) -> set[str]:
    """The images of ``keys`` that a kept caption shows, alone or in a set."""
    shown: set[str] = set()
    for job in jobs:
        for shard, targets in planned_targets(run, job, plan_limits(job)):
            kept = {verdict.id for verdict in run.verdicts(job, shard) if verdict.keep}
            for target in targets:
                if target.id in kept:
                    shown.update(image.key for image in target.images if image.key in keys)
    return shown
