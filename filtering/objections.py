"""Which words of a caption a rule objects to.

Comes in: a caption, a rule that it violates, the scorer. Goes out: stretches of the text: those without whose
words the score would be better, or that alone are as bad. So it holds of any rule that looks at one caption,
a user's own too, and no rule has to say it. Sentences are tried first, then the clauses of those that matter,
then their words. Nothing is marked where it is nearly all of the text, as in one that is too long, or where
nothing can be left out, as in one that is too short. Not its job: rules that need more than a caption (see
grounding, near_duplicates).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from triptych.filtering.caption import UNSPACED
from triptych.filtering.scoring import CaptionInput, Scorer

Span = tuple[int, int]
"""Characters, from the first to behind the last."""

MOST_MARKED = 0.8
"""Of the text: what is more is no phrase."""

MOST_TRIED = 400
"""Pieces; of a caption that has more words its clauses are marked."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]*")
_CLAUSE = re.compile(rf"[{UNSPACED}]+|[^,;:，；：、{UNSPACED}]+")
"""Or what is written in another script."""
_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def objections(scorer: Scorer, given: CaptionInput, rule: str) -> list[Span]:
    """The stretches of ``given.text`` that ``rule`` objects to, in order; none where it isn't about words."""
    chosen = next((each.rule for each in scorer.job_rules(given.job) if each.rule.name == rule), None)
    if chosen is None or chosen.measure is None:
        return []
    sign = -1.0 if chosen.violated == "below" else 1.0

    def badness(text: str) -> float:
        return sign * scorer.all_scores(given._replace(text=text), only=rule)[rule]

    whole = badness(given.text)

    def that_matter(spans: Iterable[Span]) -> list[Span]:
        text = given.text
        return [span for span in spans if badness(text[: span[0]] + text[span[1] :]) < whole]

    def enough_alone(spans: Sequence[Span]) -> list[Span]:
        """Where one is as bad as all, leaving out one of several changes nothing."""
        alone = [(start, end) for start, end in spans if badness(given.text[start:end]) >= whole]
        return alone if len(alone) < len(spans) else []

    found = [(0, len(given.text))]
    for finer in (_SENTENCE, _CLAUSE, _WORD):
        pieces = [piece.span() for start, end in found for piece in finer.finditer(given.text, start, end)]
        if len(pieces) <= MOST_TRIED:
            found = that_matter(pieces) or enough_alone(pieces) or found
    joined = _joined(found, given.text)
    return joined if sum(end - start for start, end in joined) <= MOST_MARKED * len(given.text) else []


def _joined(spans: Sequence[Span], text: str) -> list[Span]:
    """With those made one between which there are only spaces."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
