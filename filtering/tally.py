"""What the rules did to each job, counted.

Comes in: captions with their scores. Goes out: counts, per job and rule: as the reason, and by the rule
alone. Not its job: what share is too much (see guard).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from triptych.filtering.config import RuleName
from triptych.filtering.judge import Judge, Judged
from triptych.records import JobName

EXAMPLES = 3


class JobTally(msgspec.Struct, kw_only=True):
    """The counts of one job."""

    captions: int = 0
    kept: int = 0
    first: Counter[str] = msgspec.field(default_factory=Counter)
    """Captions by the rule that is their reason."""
    alone: Counter[str] = msgspec.field(default_factory=Counter)
    """Captions that each rule would drop (or flag) by itself."""
    examples: dict[str, list[Judged]] = {}
    """The first EXAMPLES of each rule."""


def tally(judge: Judge, captions: Iterable[Judged]) -> dict[JobName, JobTally]:
    """Count ``captions``, by job in the order in which jobs come."""
    jobs: dict[JobName, JobTally] = {}
    for judged in captions:
        counts = jobs.setdefault(judged.job, JobTally())
        counts.captions += 1
        reason = judge.verdict(judged.id, judged.scores).reason
        if reason is None:
            counts.kept += 1
        else:
            counts.first[reason] += 1
        for name in judged.scores:
            counts.alone[name] += 1
            if counts.alone[name] <= EXAMPLES:
                counts.examples.setdefault(name, []).append(judged)
    return jobs


def funnel_lines(
    jobs: dict[JobName, JobTally], rules: Iterable[RuleName], flags: Iterable[RuleName]
) -> Iterator[str]:
    """One line a rule and job: dropped by it as the first, and how many it would drop alone."""
    flags = frozenset(flags)
    for job, counts in jobs.items():
        yield f"{job:<22} {counts.captions:>10,} captions"
        for name in rules:
            alone, share = counts.alone[name], counts.alone[name] / max(counts.captions, 1)
            if name in flags:
                yield f"  {name:<20} {alone:>10,} flagged  ({share:.2%})"
            else:
                yield f"  {name:<20} {counts.first[name]:>10,} dropped, alone {alone:,} ({share:.2%})"
        yield f"  {'kept':<20} {counts.kept:>10,} ({counts.kept / max(counts.captions, 1):.2%})"
