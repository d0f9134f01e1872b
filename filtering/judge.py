"""All rules on one caption after another.

Comes in: the captions of one job, in export order. Goes out: a verdict each. Not its job: where
captions come from and verdicts go (see stage).
"""

from __future__ import annotations

from corpus.records import Verdict
from filtering.candidate import Candidate
from filtering.config import FilteringConfig
from filtering.duplicates import ExactDuplicates
from filtering.rules import TEXT_RULES


class Judge:
    """Judges the captions of one job. It remembers texts, so the order of captions matters."""

    def __init__(self, config: FilteringConfig) -> None:
        self._config = config
        self._duplicates = ExactDuplicates()

    def verdict(self, identifier: str, candidate: Candidate) -> Verdict:
        """Every rule's score that drops ``candidate``; the first rule in the config's order is the reason."""
        found: dict[str, float] = {}
        for name in self._config.rules:
            if name == "exact_duplicate":
                continue
            score = TEXT_RULES[name](candidate, self._config)
            if score is not None:
                found[name] = score
        if "exact_duplicate" in self._config.rules and self._duplicates.said_before(
            candidate.units, dropped=bool(found)
        ):
            found["exact_duplicate"] = 1.0
        scores: dict[str, float] = {name: found[name] for name in self._config.rules if name in found}
        return Verdict(id=identifier, keep=not scores, reason=next(iter(scores), None), scores=scores)
