"""What the rules did to each job, counted; and the stop where one rejects more than can be right.

Comes in: captions with their scores. Goes out: counts, by job and rule: as the reason, and by the rule
alone; or a SetupError with the share, the likely causes, three examples, and the option that accepts it.
Not its job: scores (see scoring).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from triptych.errors import SetupError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.people import BY_PEOPLE
from triptych.filtering.rule import Rule
from triptych.filtering.scoring import ScoredCaption, Scorer
from triptych.records import Verdict

EXAMPLES = 3


class JobCounts(msgspec.Struct, kw_only=True):
    """The counts of one job."""

    captions: int = 0
    kept: int = 0
    first: Counter[str] = msgspec.field(default_factory=Counter)
    """Captions by the rule, or BY_PEOPLE, that is their reason."""
    alone: Counter[str] = msgspec.field(default_factory=Counter)
    """Captions that each rule would reject (or flag) by itself."""
    examples: dict[str, list[ScoredCaption]] = {}
    """The first EXAMPLES of each rule."""


def count_rules(
    scorer: Scorer,
    captions: Iterable[ScoredCaption],
    last_word: Callable[[Verdict], Verdict] | None = None,
) -> dict[str, JobCounts]:
    """Count ``captions``, by job in the order in which jobs come. ``last_word``: what people make of each
    verdict."""
    jobs: dict[str, JobCounts] = {}
    for caption in captions:
        counts = jobs.setdefault(caption.job, JobCounts())
        counts.captions += 1
        verdict = scorer.verdict(caption)
        reason = (last_word(verdict) if last_word is not None else verdict).reason
        if reason is None:
            counts.kept += 1
        else:
            counts.first[reason] += 1
        for name in caption.scores:
            counts.alone[name] += 1
            if counts.alone[name] <= EXAMPLES:
                counts.examples.setdefault(name, []).append(caption)
    return jobs


def count_lines(scorer: Scorer, jobs: Mapping[str, JobCounts]) -> Iterator[str]:
    """For each job, a line a rule that found anything: rejected by it as the first, and by it alone.

    Last, the rules that found nothing.
    """
    found = {name for counts in jobs.values() for name in (*+counts.alone, *+counts.first)}
    for job, counts in jobs.items():
        yield f"{job:<22} {counts.captions:>10,} captions"
        for rule, _, action in scorer.job_rules(job):
            name, alone = rule.name, counts.alone[rule.name]
            share = alone / max(counts.captions, 1)
            if not alone and not counts.first[name]:
                continue
            if action == "flag":
                yield f"  {name:<20} {alone:>10,} flagged  ({share:.2%})"
            else:
                yield f"  {name:<20} {counts.first[name]:>10,} rejected, alone {alone:,} ({share:.2%})"
        if by_people := counts.first[BY_PEOPLE]:
            yield f"  {BY_PEOPLE:<20} {by_people:>10,} rejected"
        yield f"  {'kept':<20} {counts.kept:>10,} ({counts.kept / max(counts.captions, 1):.2%})"
    names = dict.fromkeys(rule.name for job in jobs for rule, _, _ in scorer.job_rules(job))
    if nothing := [name for name in names if name not in found]:
        yield f"found nothing: {', '.join(nothing)}"


def check_shares(config: FilteringConfig, scorer: Scorer, jobs: Mapping[str, JobCounts], where: str) -> None:
    """Raise SetupError for the rule that rejects the largest share beyond what it may.

    A rule's share is of all captions that it would reject alone, whichever rule comes first.
    """
    for job, counts in jobs.items():
        if counts.captions < config.guarded_from:
            continue
        rejecting = [
            each.rule
            for each in scorer.job_rules(job)
            if each.action == "reject" and each.rule.name not in config.accepted
        ]
        worst = max(rejecting, key=lambda rule: counts.alone[rule.name], default=None)
        if worst is not None and counts.alone[worst.name] / counts.captions > config.max_rejected_share:
            raise SetupError(_message(config, job, worst, counts, where))


def _message(config: FilteringConfig, job: str, rule: Rule, counts: JobCounts, where: str) -> str:
    share = counts.alone[rule.name] / counts.captions
    examples = "; ".join(
        f"{each.id} (score {each.scores[rule.name]:g}) {' '.join(each.snippet.split())!r}"
        for each in counts.examples[rule.name]
    )
    return (
        f"{rule.name} rejects {share:.1%} of the {counts.captions:,} captions of {job}"
        f" (filtering.max_rejected_share allows {config.max_rejected_share:.0%}), so nothing was written;"
        f" likely causes: {rule.likely_cause}; examples: {examples};"
        f" look into one with `triptych filter {where} --explain ID`, and mend the cause or"
        f" filtering.thresholds.{rule.name}, or accept it with --accept {rule.name}"
    )
