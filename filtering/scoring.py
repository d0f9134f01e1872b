"""Score each caption by itself, and turn scores into a verdict.

Comes in: captions, and the rules of a config. Goes out: the score of every rule that a caption violates; for
a block of captions also its sketches and histograms. Results don't depend on the process. Not its job:
comparing captions (see near_duplicates), all captions of a run (see filter_pass).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
from ahocorasick_rs import AhoCorasick, Implementation
from numpy.typing import NDArray

from triptych.errors import SetupError, UsageError
from triptych.filtering.caption import CaptionText
from triptych.filtering.config import FilteringConfig
from triptych.filtering.near_duplicates import Sketches, sketch
from triptych.filtering.rule import Action, JobRule, Rule
from triptych.filtering.score_histogram import ScoreBin, count_scores
from triptych.jobs import Job
from triptych.languages import Language
from triptych.prompts import Prompt
from triptych.records import Verdict

SNIPPET_CHARACTERS = 90
"""Kept of each text, to show examples."""


class FilterJob(NamedTuple):
    """A job with what the filter knows about it."""

    job: Job
    language: Language
    prompt: Prompt | None = None
    """None if unknown."""


class CaptionInput(NamedTuple):
    """One caption on its way through the rules."""

    id: str
    job: str
    text: str
    image_count: int = 1
    finish_reason: str = "stop"
    counterparts: Mapping[str, str] = {}
    """This and the other measurements are explained at CaptionText."""
    grounding_rank: float | None = None
    unfit: str = ""
    """The phrase that fits the images worst; empty if not measured."""
    untruth: float | None = None
    removed: tuple[str, ...] = ()
    """Sentences that a checker denied and that were removed from ``text``."""
    agreement: float | None = None


class ScoredCaption(NamedTuple):
    """A caption with the scores of the rules that it violates."""

    id: str
    job: str
    scores: dict[str, float]
    snippet: str
    repeats: str | None = None
    """The id of the earlier caption that it repeats."""
    text: str = ""
    """What remains of a repaired caption; empty for others."""
    removed: tuple[str, ...] = ()
    unfit: str = ""
    """The phrase that fits worst, if the caption is ungrounded."""


class ScoredBlock(NamedTuple):
    """The results of n captions."""

    lines: bytes
    """ScoredCaptions as JSON Lines."""
    is_rejected: NDArray[np.bool_]
    min_similarity: NDArray[np.float32]
    """From which on each counts as a near duplicate."""
    sketches: Sketches
    bins: Counter[ScoreBin]


class RuleMatrix(NamedTuple):
    """The scores of n captions of one job."""

    rules: list[JobRule]
    captions: list[CaptionText]
    scores: NDArray[np.float64]
    """``float64[rules, n]``."""
    is_violated: NDArray[np.bool_]
    """``bool[rules, n]``."""


class NeedleFinder:
    """Finds which of many strings occur in a text, in one pass of an Aho-Corasick automaton."""

    def __init__(self, needles: AbstractSet[str]) -> None:
        self._automaton = AhoCorasick(sorted(needles), implementation=Implementation.DFA, store_patterns=True)

    def __call__(self, lowered: str) -> AbstractSet[str]:
        """The needles that occur in the lower-case text ``lowered``."""
        try:
            return frozenset(self._automaton.find_matches_as_strings(lowered, overlapping=True))
        except UnicodeEncodeError:  # a lone surrogate
            return self(lowered.encode("utf-8", "replace").decode())


class Scorer:
    """Scores captions of some jobs by a config's rules."""

    def __init__(self, config: FilteringConfig, jobs: Sequence[FilterJob], rules: Sequence[Rule]) -> None:
        """``config`` overrides defaults of ``rules``. Raises UsageError for an invalid threshold."""
        self.rules = tuple(rules)
        self.jobs = {each.job.name: each for each in jobs}
        self._job_rules = {each.job.name: _rules_of(config, self.rules, each) for each in jobs}
        self._flags = {
            name: frozenset(each.rule.name for each in job_rules if each.action == "flag")
            for name, job_rules in self._job_rules.items()
        }
        needles = frozenset[str]().union(*(rule.needles for rule in self.rules))
        self._find_needles = NeedleFinder(needles) if needles else None

    def job_rules(self, job: str) -> tuple[JobRule, ...]:
        """The rules that apply to this job's captions, in order of priority."""
        return self._job_rules[job]

    @cached_property
    def skipped(self) -> dict[str, list[str]]:
        """The rules that can't read a job's language, by language. Rules for a single language are left out,
        since other languages don't need them."""
        several = [rule for rule in self.rules if rule.languages is None or len(rule.languages) > 1]
        return {
            each.language.name or each.language.code: names
            for each in self.jobs.values()
            if (names := [rule.name for rule in several if not rule.reads(each.language)])
        }

    def caption(self, given: CaptionInput) -> CaptionText:
        """The caption as the rules see it."""
        of_job = self.jobs[given.job]
        caption = CaptionText(
            given.text,
            of_job.language,
            subject=of_job.job.subject,
            image_count=given.image_count,
            finish_reason=given.finish_reason,
            prompt=of_job.prompt,
            counterparts=given.counterparts,
            grounding_rank=given.grounding_rank,
            untruth=given.untruth,
            agreement=given.agreement,
        )
        if self._find_needles is not None:
            caption.needles = self._find_needles(caption.lowered)
        return caption

    def all_scores(self, given: CaptionInput, only: str = "") -> dict[str, float]:
        """The score of every rule that looks at one caption, by name, or of the rule ``only``."""
        caption = self.caption(given)
        return {
            each.rule.name: _measured(each.rule, [given], [caption])[0]
            for each in self._job_rules[given.job]
            if each.rule.measure is not None and only in ("", each.rule.name)
        }

    def violations(self, job: str, scores: Mapping[str, float]) -> dict[str, float]:
        """The ``scores`` beyond their rules' thresholds, in order of priority."""
        return {
            rule.name: scores[rule.name]
            for rule, threshold, _ in self._job_rules[job]
            if rule.name in scores and rule.is_violated(scores[rule.name], threshold)
        }

    def is_rejected(self, job: str, violations: Mapping[str, float]) -> bool:
        """Whether any of the violated rules does more than flag."""
        return not self._flags[job].issuperset(violations)

    def verdict(self, caption: ScoredCaption) -> Verdict:
        """The reason is the first violated rule that does more than flag."""
        names = [rule.name for rule, _, _ in self._job_rules[caption.job] if rule.name in caption.scores]
        reason = next((name for name in names if name not in self._flags[caption.job]), None)
        return Verdict(
            id=caption.id,
            keep=reason is None,
            reason=reason,
            scores={name: caption.scores[name] for name in names},
            repeats=caption.repeats,
            text=caption.text,
            removed=caption.removed,
            unfit=caption.unfit,
        )

    def score_rules(self, block: Sequence[CaptionInput]) -> RuleMatrix:
        """Run every rule that looks at one caption, on captions of one job."""
        captions = [self.caption(given) for given in block]
        rules = [each for each in self._job_rules[block[0].job] if each.rule.measure is not None]
        scores = np.zeros((len(rules), len(block)))
        is_violated = np.zeros((len(rules), len(block)), np.bool_)
        for at, (rule, threshold, _) in enumerate(rules):
            scores[at] = _measured(rule, block, captions)
            is_violated[at] = rule.is_violated(scores[at], threshold)
        return RuleMatrix(rules, captions, scores, is_violated)

    def score_block(self, block: Sequence[CaptionInput]) -> ScoredBlock:
        """Score captions of one job, each by itself."""
        rules, captions, scores, is_violated = self.score_rules(block)
        job = block[0].job
        rejects = is_violated & np.array([each.action == "reject" for each in rules], np.bool_)[:, None]
        violations: list[dict[str, float]] = [{} for _ in block]
        for at, number in np.argwhere(is_violated).tolist():
            violations[number][rules[at].rule.name] = float(scores[at, number])
        scored = [
            ScoredCaption(
                given.id,
                job,
                found,
                given.text[:SNIPPET_CHARACTERS],
                text=given.text if given.removed else "",
                removed=given.removed,
                unfit=given.unfit if "ungrounded" in found else "",
            )
            for given, found in zip(block, violations, strict=True)
        ]
        thresholds = {each.rule.name: each.threshold for each in self._job_rules[job]}
        return ScoredBlock(
            lines=msgspec.json.Encoder().encode_lines(scored),
            is_rejected=np.logical_or.reduce(rejects, axis=0),
            min_similarity=np.full(len(block), thresholds.get("near_duplicate", 1.0), np.float32),
            sketches=sketch(job, [(g.id, c.unit_sequence) for g, c in zip(block, captions, strict=True)]),
            bins=count_scores(job, rules, scores, rejects),
        )


def _measured(rule: Rule, block: Sequence[CaptionInput], captions: Sequence[CaptionText]) -> list[float]:
    """The score of each caption. Raises SetupError if a user's rule raises, or returns no finite number."""
    measure, at = rule.measure, 0
    needles = rule.needles if rule.needs_needle else None
    assert measure is not None
    scores = [0.0] * len(captions)
    try:
        for at, caption in enumerate(captions):
            if needles and needles.isdisjoint(caption.needles or ()):
                continue
            if score := float(measure(caption)):
                if not math.isfinite(score):
                    raise ValueError(f"it returned {score}")
                scores[at] = score
    except Exception as error:
        raise SetupError(
            f"rule {rule.name} failed on caption {block[at].id} ({type(error).__name__}: {error});"
            " expected a number for any text: fix the rule, or leave it out of filtering.rules"
        ) from error
    return scores


def _rules_of(config: FilteringConfig, rules: Sequence[Rule], job: FilterJob) -> tuple[JobRule, ...]:
    """Those of ``rules`` that apply to the captions of ``job``.

    Raises UsageError for an invalid threshold.
    """
    chosen = tuple(
        JobRule(rule, _threshold(config, rule, job), _action(config, rule))
        for rule in rules
        if rule.reads(job.language) and rule.subject in (None, job.job.subject)
    )
    for one, other in itertools.permutations(chosen, 2):
        is_same = one.rule.measure is not None and one.rule.measure is other.rule.measure
        if is_same and one.rule.violated == "below" and one.threshold > other.threshold:
            raise UsageError(
                f"every caption of {job.job.name} violates {one.rule.name} or {other.rule.name}: their"
                f" thresholds are {one.threshold:g} and {other.threshold:g};"
                f" expected {one.rule.name} <= {other.rule.name} in filtering.thresholds"
            )
    return chosen


def _action(config: FilteringConfig, rule: Rule) -> Action:
    if config.flags is None:
        return rule.action
    return "flag" if rule.name in config.flags else "reject"


def _threshold(config: FilteringConfig, rule: Rule, job: FilterJob) -> float:
    default = rule.threshold_of(job.job.subject, job.language)
    override = config.thresholds.get(rule.name, default)
    threshold = override.get(job.job.name, default) if isinstance(override, dict) else override
    highest = 1.0 if rule.is_share else float("inf")
    if not 0.0 <= threshold <= highest:
        expected = "a share from 0 to 1" if rule.is_share else "0 or more"
        raise UsageError(f"filtering.thresholds.{rule.name} is {threshold:g}; expected {expected}")
    return threshold
