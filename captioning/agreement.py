"""How far several answers to one question agree, and which of them agrees most with the others.

Comes in: texts. Goes out: for each the mean of how alike it is to the others, in [0, 1]. Alike are two texts
by their character n-grams of one to six characters, as chrF compares translations (Popović 2015), with
precision and recall weighed alike; so it asks nothing of the language. The text that is most like all others
is what minimum Bayes risk decoding takes (Kumar and Byrne 2004). Not its job: asking (see regenerate).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

LONGEST = 6
"""Characters of an n-gram; white space doesn't count."""


def agreements(texts: Sequence[str]) -> list[float]:
    """For each of several texts, how alike it is to the others on average.

    >>> agreements(["a red boat", "a red boat", "a dog"])[0] > agreements(["a red boat", "a cat", "a dog"])[0]
    True
    """
    grams = [_n_grams(text) for text in texts]
    found = [0.0] * len(texts)
    for one in range(len(texts)):
        for other in range(one + 1, len(texts)):
            alike = _likeness(grams[one], grams[other]) / (len(texts) - 1)
            found[one] += alike
            found[other] += alike
    return found


def _n_grams(text: str) -> list[Counter[str]]:
    letters = "".join(text.casefold().split())
    return [
        Counter(letters[at : at + size] for at in range(len(letters) - size + 1))
        for size in range(1, LONGEST + 1)
    ]


def _likeness(one: Sequence[Counter[str]], other: Sequence[Counter[str]]) -> float:
    """The mean F1 over the sizes of n-grams that either text has."""
    scores = [
        2 * (a & b).total() / (a.total() + b.total()) for a, b in zip(one, other, strict=True) if a or b
    ]
    return sum(scores) / len(scores) if scores else 1.0
