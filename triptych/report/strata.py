"""Strata for even draws: by the size of a set, and by a checker's answers on its captions.

Comes in: a run, its jobs on sets or one on images. Goes out: a stratum for each set or image. If enough
captions were checked, only those are drawn: a checker's answers help a precision only where people judged the
same captions. Not its job: drawing (see sampling).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Hashable, Sequence

from triptych.jobs import Job
from triptych.records import target_of
from triptych.report.sampling import Draw
from triptych.runs.checks import read_checks, worst_answer
from triptych.runs.context import RunContext
from triptych.runs.sampling import drawn_rank

POOL = 4000
"""Checked images or sets that are kept, those with the smallest hashes; some dozen of them are drawn."""

LEAST_CHECKED = 300
"""With at least so many checked captions, only those are drawn."""

UNTRUTHS = (0.02, 0.1, 0.5)
"""Bounds between strata: the probability that the least likely statement is untrue."""

NOT_CHECKED = -1


class Strata:
    """The strata of all sets, or of all images, of a run."""

    def __init__(self, context: RunContext, jobs: Sequence[Job]) -> None:
        """Reads the checks of ``jobs`` once."""
        pool: Draw[tuple[str, float]] = Draw(POOL)
        for job in jobs:
            for shard in context.folder.shards() if job.name in context.folder.run_file.checks else ():
                for caption, answers in read_checks(context.folder, job.name, shard).items():
                    of_text = [each for each in answers if each.content == answers[-1].content]
                    pool.offer(target_of(caption), (target_of(caption), worst_answer(of_text)))
        self._untruth: dict[str, float] = {}
        for target, untruth in pool.taken():
            self._untruth[target] = max(untruth, self._untruth.get(target, 0.0))
        self._last_rank = max(map(drawn_rank, self._untruth), default=None)

    def of(self, target: str, size: int = 1) -> Hashable | None:
        """The stratum of a set of ``size`` images, or of an image; None if it must not be drawn."""
        if self._last_rank is None:
            return (size,)
        if drawn_rank(target) > self._last_rank:
            return None if len(self._untruth) >= LEAST_CHECKED else (size, NOT_CHECKED)
        untruth = self._untruth.get(target)
        return size, NOT_CHECKED if untruth is None else bisect(UNTRUTHS, untruth)
