"""Scores of captions, each by itself, and the verdict that scores come to.

Comes in: captions, and the rules of a config. Goes out: the score of every rule that a caption violates; all
that a block of captions leaves behind. The same whatever process does it. Not its job: captions beside each
other (see near_duplicates), what is done with all of them (see filter_pass).
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
from triptych.filtering.score_histogram import Bins, count_scores
from triptych.jobs import Job
from triptych.languages import Language
from triptych.prompts import Prompt
from triptych.records import Verdict

SNIPPET_CHARACTERS = 90
"""Kept of each text until the verdicts are out, to show examples from."""


class FilterJob(NamedTuple):
    """A job as the filter sees it."""

    job: Job
    language: Language
    prompt: Prompt | None = None
    """What was asked, and how captions name the images of a set; None where that isn't known."""


class CaptionInput(NamedTuple):
    """One caption on its way through the rules."""

    id: str
    job: str
    text: str
    image_count: int = 1
    finish_reason: str = "stop"
    counterparts: Mapping[str, str] = {}
    """What other captions of the same image or set say, by the code of their language."""
    grounding_rank: float | None = None
    unfit: str = ""
    """The phrase that fits its images least; empty where that wasn't measured."""
    untruth: float | None = None
    """How likely its least likely statement is untrue, by a checker; None where none was asked."""
    removed: tuple[str, ...] = ()
    """Sentences that a checker denied, and that ``text`` doesn't have any more."""
    agreement: float | None = None
    """How far several answers agreed, of which it is one; None where it is the only one."""


class ScoredCaption(NamedTuple):
    """A caption with the scores of the rules that it violates."""

    id: str
    job: str
    scores: dict[str, float]
    snippet: str
    repeats: str | None = None
    """The id of the earlier caption that it repeats."""
    text: str = ""
    """Of a repaired one, what is left."""
    removed: tuple[str, ...] = ()
    unfit: str = ""
    """Of one that is ungrounded."""


class ScoredBlock(NamedTuple):
    """What is left of n captions."""

    lines: bytes
    """A ScoredCaption in JSON a line."""
    is_rejected: NDArray[np.bool_]
    near_from: NDArray[np.float32]
    """The similarity from which each is a near duplicate."""
    sketches: Sketches
    bins: Counter[Bins]


class RuleMatrix(NamedTuple):
    """What rules say of n captions of one job."""

    rules: list[JobRule]
    captions: list[CaptionText]
    scores: NDArray[np.float64]
    """``float64[rules, n]``."""
    is_violated: NDArray[np.bool_]
    """The same shape."""


class NeedleFinder:
    """Which of many words and pieces of words a text has: one pass of Aho and Corasick's automaton."""

    def __init__(self, needles: AbstractSet[str]) -> None:
        self._automaton = AhoCorasick(sorted(needles), implementation=Implementation.DFA, store_patterns=True)

    def __call__(self, lowered: str) -> AbstractSet[str]:
        """Those that ``lowered``, which is in lower case, has anywhere."""
        try:
            return frozenset(self._automaton.find_matches_as_strings(lowered, overlapping=True))
        except UnicodeEncodeError:  # half a surrogate pair
            return self(lowered.encode("utf-8", "replace").decode())


class Scorer:
    """Rules, ready to look at the captions of some jobs."""

    def __init__(self, config: FilteringConfig, jobs: Sequence[FilterJob], rules: Sequence[Rule]) -> None:
        """``config`` says what is different from what ``rules`` say of themselves."""
        self.rules = tuple(rules)
        self.jobs = {each.job.name: each for each in jobs}
        self._of_job = {each.job.name: _rules_of(config, self.rules, each) for each in jobs}
        self._flags = {
            name: frozenset(each.rule.name for each in of_job if each.action == "flag")
            for name, of_job in self._of_job.items()
        }
        needles = frozenset[str]().union(*(rule.needles for rule in self.rules))
        self._find_needles = NeedleFinder(needles) if needles else None

    def job_rules(self, job: str) -> tuple[JobRule, ...]:
        """The rules that say anything of this job's captions, in order of priority."""
        return self._of_job[job]

    @cached_property
    def skipped(self) -> dict[str, list[str]]:
        """By language: the rules that can't read it. One that reads a single language is about that one, and
        nothing is missed in others."""
        several = [rule for rule in self.rules if rule.languages is None or len(rule.languages) > 1]
        return {
            each.language.name or each.language.code: names
            for each in self.jobs.values()
            if (names := [rule.name for rule in several if not rule.reads(each.language)])
        }

    def caption(self, given: CaptionInput) -> CaptionText:
        """What the rules see of a caption."""
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
        """The score of every rule that looks at one caption, by its name; or of ``only`` this one."""
        caption = self.caption(given)
        return {
            each.rule.name: _measured(each.rule, [given], [caption])[0]
            for each in self._of_job[given.job]
            if each.rule.measure is not None and only in ("", each.rule.name)
        }

    def violations(self, job: str, scores: Mapping[str, float]) -> dict[str, float]:
        """Of ``scores``, by rule, those beyond the threshold, in order of priority."""
        return {
            rule.name: scores[rule.name]
            for rule, threshold, _ in self._of_job[job]
            if rule.name in scores and rule.is_violated(scores[rule.name], threshold)
        }

    def is_rejected(self, job: str, violations: Mapping[str, float]) -> bool:
        """Whether any of these rules does more than flag."""
        return not self._flags[job].issuperset(violations)

    def verdict(self, caption: ScoredCaption) -> Verdict:
        """The first rule in order that is violated and does more than flag is the reason."""
        names = [rule.name for rule, _, _ in self._of_job[caption.job] if rule.name in caption.scores]
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
        """Every rule that looks at one caption, on captions of one job."""
        captions = [self.caption(given) for given in block]
        rules = [each for each in self._of_job[block[0].job] if each.rule.measure is not None]
        scores = np.zeros((len(rules), len(block)))
        is_violated = np.zeros((len(rules), len(block)), np.bool_)
        for at, (rule, threshold, _) in enumerate(rules):
            scores[at] = _measured(rule, block, captions)
            is_violated[at] = rule.is_violated(scores[at], threshold)
        return RuleMatrix(rules, captions, scores, is_violated)

    def score_block(self, block: Sequence[CaptionInput]) -> ScoredBlock:
        """All that can be said by themselves of captions of one job, in their order."""
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
        near_from = {each.rule.name: each.threshold for each in self._of_job[job]}
        return ScoredBlock(
            lines=msgspec.json.Encoder().encode_lines(scored),
            is_rejected=np.logical_or.reduce(rejects, axis=0),
            near_from=np.full(len(block), near_from.get("near_duplicate", 1.0), np.float32),
            sketches=sketch(job, [(g.id, c.unit_sequence) for g, c in zip(block, captions, strict=True)]),
            bins=count_scores(job, rules, scores, rejects),
        )


def _measured(rule: Rule, block: Sequence[CaptionInput], captions: Sequence[CaptionText]) -> list[float]:
    """The score of each caption. Raises SetupError where a user's rule raises, or gives no number."""
    measure, at = rule.measure, 0
    needles = rule.needles if rule.needs_needle else None
    assert measure is not None
    scores = [0.0] * len(captions)
    try:
        for at, caption in enumerate(captions):
            if not needles or not needles.isdisjoint(caption.needles or ()):
                scores[at] = float(measure(caption))
                if not math.isfinite(scores[at]):
                    raise ValueError(f"it said {scores[at]}")
    except Exception as error:
        raise SetupError(
            f"rule {rule.name} failed on caption {block[at].id} ({type(error).__name__}: {error});"
            " expected a number for any text: mend the rule, or leave it out of filtering.rules"
        ) from error
    return scores


def _rules_of(config: FilteringConfig, rules: Sequence[Rule], job: FilterJob) -> tuple[JobRule, ...]:
    """Those of ``rules`` that say anything of the captions of ``job``.

    Raises UsageError for a threshold that can't be one.
    """
    chosen = tuple(
        JobRule(rule, _threshold(config, rule, job), _action(config, rule))
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
