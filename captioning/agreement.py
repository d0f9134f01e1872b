"""How far several answers to one question agree.

Comes in: texts. Goes out: the mean similarity of each text to the others, in [0, 1]. Similarity is an F1
score over character n-grams, as in chrF for translations (Popović 2015), so it works in any language.
Choosing the text that is most similar to the others is minimum Bayes risk decoding (Kumar and Byrne 2004).
Not its job: asking (see regenerate).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

MAX_NGRAM_CHARS = 6
"""Whitespace isn't counted."""


def agreements(texts: Sequence[str]) -> list[float]:
    """The mean similarity of each text to the others.

    >>> agreements(["a red boat", "a red boat", "a dog"])[0] > agreements(["a red boat", "a cat", "a dog"])[0]
    True
    """
    ngrams = [_ngrams(text) for text in texts]
    means = [0.0] * len(texts)
    for one, other in combinations(range(len(texts)), 2):
        share = _similarity(ngrams[one], ngrams[other]) / (len(texts) - 1)
        means[one] += share
        means[other] += share
    return means


def _ngrams(text: str) -> list[Counter[str]]:
    """The counts of n-grams, by their length."""
    letters = "".join(text.casefold().split())
    return [
        Counter(letters[at : at + size] for at in range(len(letters) - size + 1))
        for size in range(1, MAX_NGRAM_CHARS + 1)
    ]


def _similarity(one: Sequence[Counter[str]], other: Sequence[Counter[str]]) -> float:
    """The mean F1 over those n-gram lengths that occur in either text."""
    scores = [
        2 * (a & b).total() / (a.total() + b.total()) for a, b in zip(one, other, strict=True) if a or b
    ]
    return sum(scores) / len(scores) if scores else 1.0
