"""The rules of a config, and what they say of captions: scores, then a verdict.

Comes in: captions, one by one or a block at a time. Goes out: the rules that speak against each, with
scores. Not its job: captions against each other (see court), processes (see worker).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from triptych.filtering.block import LOOK, Block
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig, RuleName
from triptych.filtering.memory import keep_freed_memory
from triptych.filtering.old_rules import RULES, Rule
from triptych.filtering.score_counts import ScoreCounter
from triptych.filtering.vocabulary import vocabulary
from triptych.records import JOB_NAMES, JobName, Verdict


class Row(NamedTuple):
    """One caption on its way through the rules."""

    id: str
    job: JobName
    text: str
    image_count: int
    finish_reason: str
    counterpart: str | None = None
    grounding_rank: float | None = None

    def candidate(self) -> Candidate:
        """What the rules see of it."""
        return Candidate(
            text=self.text,
            job=self.job,
            image_count=self.image_count,
            finish_reason=self.finish_reason,
            counterpart=self.counterpart,
            grounding_rank=self.grounding_rank,
        )


class Judged(NamedTuple):
    """A caption with the scores of the rules that speak against it."""

    id: str
    job: JobName
    scores: dict[str, float]
    snippet: str
    repeats: str | None = None
    """The id of the earlier caption that it repeats."""


class Judge:
    """The rules of a config, ready to look at captions, one by one or in blocks."""

    def __init__(self, config: FilteringConfig) -> None:
        keep_freed_memory()
        self._flags = frozenset(config.flags)
        self._order = config.rules
        self._vocabulary = vocabulary()
        self._bounds: dict[JobName, list[tuple[RuleName, Rule, float]]] = {
            job: [
                (name, RULES[name], RULES[name].bound(config, job)) for name in config.rules if name in RULES
            ]
            for job in JOB_NAMES
        }

    def bounds(self, job: JobName) -> Mapping[RuleName, float]:
        """The bound of each rule that looks at one caption, in order."""
        return {name: bound for name, _, bound in self._bounds[job]}

    def scores(self, candidate: Candidate) -> dict[str, float]:
        """The score of every rule that looks at one caption and speaks against this one."""
        (found,) = self.scores_of_block(self.block([candidate]), [candidate])
        return found

    def block(self, candidates: Sequence[Candidate]) -> Block:
        """Candidates of one job, for ``scores_of_block``."""
        return Block(candidates, self._vocabulary)

    def scores_of_block(
        self, block: Block, candidates: Sequence[Candidate], counter: ScoreCounter | None = None
    ) -> list[dict[str, float]]:
        """Of each candidate of the block, the score of every rule that speaks against it."""
        rules = self._bounds[block.job]
        scores = np.empty((len(rules), len(block)))
        is_beyond = np.empty((len(rules), len(block)), np.bool_)
        for place, (_, rule, bound) in enumerate(rules):
            of_rule = scores[place]
            of_rule[:] = LOOK if rule.screen is None else rule.screen(block)
            of_rule[block.is_odd] = LOOK
            looked_at = np.flatnonzero(np.isnan(of_rule))
            of_rule[looked_at] = [rule.measure(candidates[at]) for at in looked_at.tolist()]
            is_beyond[place] = of_rule < bound if rule.drops == "below" else of_rule > bound
        if counter is not None:
            counter.add(block.job, scores, is_beyond)
        found: list[dict[str, float]] = [{} for _ in candidates]
        for place, at in np.argwhere(is_beyond).tolist():
            found[at][rules[place][0]] = float(scores[place, at])
        return found

    def all_scores(self, candidate: Candidate) -> dict[RuleName, float]:
        """The score of every rule that looks at one caption."""
        return {name: rule.measure(candidate) for name, rule, _ in self._bounds[candidate.job]}

    def drops(self, scores: Mapping[str, float]) -> bool:
        """Whether any of these rules does more than flag."""
        return not self._flags.issuperset(scores)

    def verdict(self, identifier: str, scores: Mapping[str, float], repeats: str | None = None) -> Verdict:
        """The first of the rules in the config's order that does more than flag is the reason."""
        in_order: dict[str, float] = {name: scores[name] for name in self._order if name in scores}
        reason = next((name for name in in_order if name not in self._flags), None)
        return Verdict(id=identifier, keep=reason is None, reason=reason, scores=in_order, repeats=repeats)
