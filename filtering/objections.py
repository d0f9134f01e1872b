"""Find the words of a caption that a rule objects to, by leaving words out.

Comes in: a caption, a rule that it violates, the scorer. Goes out: spans of the text without which the score
would be better, or which alone have as bad a score. This works for any rule that looks at one caption,
including a user's own. Sentences are tried first, then the clauses of those that matter, then their words.
Nothing is marked if it would be nearly the whole text, as in a caption that is too long, or if leaving words
out doesn't help, as in one that is too short. Not its job: rules that need more than the caption (see
grounding, near_duplicates).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from triptych.filtering.caption import UNSPACED
from triptych.filtering.scoring import CaptionInput, Scorer

Span = tuple[int, int]
"""Start and end, in characters."""

MAX_MARKED_SHARE = 0.8
"""Of the text. If more would be marked, nothing is."""

MAX_PIECES = 400
"""If a caption has more words than this, its clauses are marked."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]*")
_CLAUSE = re.compile(rf"[{UNSPACED}]+|[^,;:，；：、{UNSPACED}]+")
"""Scripts with and without spaces are separate clauses."""
_WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")


def objections(scorer: Scorer, given: CaptionInput, rule: str) -> list[Span]:
    """The spans of ``given.text`` that ``rule`` objects to, in order; may be none."""
    chosen = next((each.rule for each in scorer.job_rules(given.job) if each.rule.name == rule), None)
    if chosen is None or chosen.measure is None:
        return []
    sign = -1.0 if chosen.violated == "below" else 1.0

    def badness(text: str) -> float:
        return sign * scorer.all_scores(given._replace(text=text), only=rule)[rule]

    whole = badness(given.text)

    def that_matter(spans: Iterable[Span]) -> list[Span]:
        text = given.text
        return [(start, end) for start, end in spans if badness(text[:start] + text[end:]) < whole]

    def bad_alone(spans: Sequence[Span]) -> list[Span]:
        """For scores that one span alone reaches: leaving out one of several such spans changes nothing."""
        alone = [(start, end) for start, end in spans if badness(given.text[start:end]) >= whole]
        return alone if len(alone) < len(spans) else []

    found = [(0, len(given.text))]
    for finer in (_SENTENCE, _CLAUSE, _WORD):
        pieces = [piece.span() for start, end in found for piece in finer.finditer(given.text, start, end)]
        if len(pieces) <= MAX_PIECES:
            found = that_matter(pieces) or bad_alone(pieces) or found
    joined = _joined(found, given.text)
    return joined if sum(end - start for start, end in joined) <= MAX_MARKED_SHARE * len(given.text) else []


def _joined(spans: Sequence[Span], text: str) -> list[Span]:
    """The spans, merged if only white space separates them."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
