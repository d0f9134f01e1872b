"""Count what each rule rejects, and stop if one rejects implausibly many captions.

Comes in: captions with their scores. Goes out: counts by job and rule, both of captions whose reason is the
rule and of all that violate it; or a SetupError with the share, the likely causes, three examples, and the
option that accepts it. Not its job: scores (see scoring).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from triptych.errors import SetupError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.human_overrides import BY_PEOPLE
from triptych.filtering.rule import Rule
from triptych.filtering.scoring import ScoredCaption, Scorer
from triptych.records import Verdict

EXAMPLES = 3


class JobCounts(msgspec.Struct, kw_only=True):
    """The counts of one job."""

    captions: int = 0
    kept: int = 0
    first: Counter[str] = msgspec.field(default_factory=Counter)
    """Captions by their reason: a rule or BY_PEOPLE."""
    alone: Counter[str] = msgspec.field(default_factory=Counter)
    """Captions that each rule by itself would reject or flag."""
    examples: dict[str, list[ScoredCaption]] = {}
    """The first EXAMPLES captions of each rule."""


def count_rules(
    scorer: Scorer,
    captions: Iterable[ScoredCaption],
    override: Callable[[Verdict], Verdict] = lambda verdict: verdict,
) -> dict[str, JobCounts]:
    """Count ``captions`` by job, in order of appearance. ``override`` applies people's verdicts."""
    jobs: dict[str, JobCounts] = {}
    for caption in captions:
        counts = jobs.setdefault(caption.job, JobCounts())
        counts.captions += 1
        reason = override(scorer.verdict(caption)).reason
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
    """For each job, one line for each rule that found anything: captions rejected for this reason, and
    captions that violate the rule. The last line lists the rules that found nothing."""
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
    """Raise SetupError for the rule that rejects the largest share of a job, if that is more than allowed.

    Every caption that violates a rule counts, whatever its reason.
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
        f" look into one with `triptych filter {where} --explain ID`, and fix the cause or"
        f" filtering.thresholds.{rule.name}, or accept it with --accept {rule.name}"
    )
