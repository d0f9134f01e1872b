"""Two runs side by side: what each says of the same images, to be judged without knowing which is which.

Comes in: two runs. Goes out: pairs of captions of jobs of one name, on targets whose images are the same in
both: drawn evenly, so that the share of those in which one is better is that of all. Not its job: pictures
(see cards), votes and what they come to (see page/beside.js, precision).
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
"""A win rate of 0.7 is then known to about 0.14 either way (Wilson, 95 %)."""


class Pair(NamedTuple):
    """A target that both runs have captioned."""

    job: Job
    target: Target
    here: str
    there: str


def pairs_of(here: RunContext, there: RunContext) -> list[Pair]:
    """Up to PAIRS_PER_JOB for each job that both have, with the captions of both."""
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
    """Shard by shard."""
    for _, planned in context.plan(job).read_all():
        yield [each for each in planned if each.is_captioned]


def _hashes(shard: list[Planned]) -> NDArray[np.uint64]:
    """Of targets with what their images show."""
    names = (
        f"{each.target.id}\n{content_of([image.content_hash for image in each.target.images])}"
        for each in shard
    )
    return np.fromiter(map(hash64, names), np.uint64, len(shard))
