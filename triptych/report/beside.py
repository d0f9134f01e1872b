"""Compares two runs: pairs of captions on the same images, for a blind choice of the better one.

Comes in: two runs. Goes out: pairs of captions of jobs with the same name, on targets whose images are the
same in both runs. They are drawn evenly, so the win rate among them estimates that of all. Not its job:
pictures (see cards), verdicts and win rates (see page/beside.js, precision).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.jobs import Job
from triptych.records import content_of
from triptych.report.sampling import Draw
from triptych.runs.context import RunContext
from triptych.runs.plan import Planned, Target
from triptych.runs.sampling import hash64

PAIRS_PER_JOB = 40
"""Enough to know a win rate of 0.7 to about ±0.14 (Wilson, 95%)."""


class Pair(NamedTuple):
    """A target that both runs captioned, and the two captions."""

    job: Job
    target: Target
    here: str
    there: str


def pairs_of(here: RunContext, there: RunContext) -> list[Pair]:
    """Up to PAIRS_PER_JOB for each job that both runs have."""
    jobs = {job.name: job for job in there.jobs}
    pairs: list[Pair] = []
    for job in here.jobs:
        other = jobs.get(job.name)
        if other is not None and other.subject == job.subject:
            pairs += _of_job(here, there, job, other)
    return pairs


def _of_job(here: RunContext, there: RunContext, job: Job, other: Job) -> Iterator[Pair]:
    known = np.concatenate([np.empty(0, np.uint64), *map(_hashes, _captioned(there, other))])
    draw: Draw[Planned] = Draw(PAIRS_PER_JOB)
    for shard in _captioned(here, job):
        for at in np.flatnonzero(np.isin(_hashes(shard), known)).tolist():
            draw.offer(shard[at].target.id, shard[at])
    chosen = {each.target.id for each in draw.taken()}
    texts = {
        each.target.id: each.text
        for shard in _captioned(there, other)
        for each in shard
        if each.target.id in chosen
    }
    return (Pair(job, each.target, each.text, texts[each.target.id]) for each in draw.taken())


def _captioned(context: RunContext, job: Job) -> Iterator[list[Planned]]:
    """The captioned targets, shard by shard."""
    for _, planned in context.plan(job).read_all():
        yield [each for each in planned if each.is_captioned]


def _hashes(shard: list[Planned]) -> NDArray[np.uint64]:
    """A hash per target of its id and the content of its images."""
    names = (
        f"{each.target.id}\n{content_of([image.content_hash for image in each.target.images])}"
        for each in shard
    )
    return np.fromiter(map(hash64, names), np.uint64, len(shard))
