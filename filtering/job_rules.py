"""The rules as they are used on the captions of one job: thresholds and actions.

Comes in: rules, a FilteringConfig, a job. Goes out: those rules that say anything of its captions. Not its
job: which rules run at all (see rule_choice).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from triptych.errors import UsageError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule import Action, Rule
from triptych.jobs import Job
from triptych.languages import Language
from triptych.prompts import Prompt


class FilterJob(NamedTuple):
    """A job as the filter sees it."""

    job: Job
    language: Language
    prompt: Prompt | None = None
    """What was asked, and how captions name the images of a set; None where that isn't known."""


class JobRule(NamedTuple):
    """A rule as it is used on the captions of a job."""

    rule: Rule
    threshold: float
    action: Action


def rules_of(config: FilteringConfig, rules: Sequence[Rule], job: FilterJob) -> tuple[JobRule, ...]:
    """Those of ``rules`` that say anything of the captions of ``job``.

    Raises UsageError for a threshold that can't be one.
    """
    chosen = tuple(
        JobRule(rule, _threshold(config, rule, job), config.actions.get(rule.name, rule.action))
        for rule in rules
        if rule.reads(job.language) and rule.subject in (None, job.job.subject)
    )
    for one, other in itertools.permutations(chosen, 2):
        same = one.rule.measure is not None and one.rule.measure is other.rule.measure
        if same and one.rule.violated == "below" and one.threshold > other.threshold:
            raise UsageError(
                f"every caption of {job.job.name} violates {one.rule.name} or {other.rule.name}: their"
                f" thresholds are {one.threshold:g} and {other.threshold:g};"
                f" expected {one.rule.name} <= {other.rule.name} in filtering.thresholds"
            )
    return chosen


def _threshold(config: FilteringConfig, rule: Rule, job: FilterJob) -> float:
    default = rule.threshold_of(job.job.subject, job.language)
    override = config.thresholds.get(rule.name, default)
    threshold = override.get(job.job.name, default) if isinstance(override, dict) else override
    highest = 1.0 if rule.is_share else float("inf")
    if not 0.0 <= threshold <= highest:
        expected = "a share from 0 to 1" if rule.is_share else "0 or more"
        raise UsageError(f"filtering.thresholds.{rule.name} is {threshold:g}; expected {expected}")
    return threshold
