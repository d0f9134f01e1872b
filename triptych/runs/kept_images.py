"""Which images the kept captions of a run show.

Comes in: a run with verdicts. Goes out: those of some given images that a kept caption shows. Not its job:
what was made of them in a file (see export).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from triptych.jobs import Job
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan


def kept_among(run: RunFolder, jobs: Sequence[Job], keys: Collection[str]) -> set[str]:
    """The images of ``keys`` that a kept caption shows, alone or in a set."""
    shown: set[str] = set()
    for job in jobs:
        for _, planned in JobPlan(run, job).read_all(verdicts=True):
            for target, _, verdict in planned:
                if verdict is not None and verdict.keep:
                    shown.update(image.key for image in target.images if image.key in keys)
    return shown
