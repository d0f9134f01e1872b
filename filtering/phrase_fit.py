"""How each phrase of some captions fits its images, and what supports it.

Comes in: captions with their images' vectors, other images, and what else is said of the same images. Goes
out: two numbers a phrase. Not its job: what they should be (see grounding).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.phrase_vectors import PhraseVectors
from triptych.filtering.phrases import phrases_of
from triptych.records import Language

ROWS_AT_ONCE = 256
"""Always as many, filled up: a row of a matrix product may depend in its last bits on how many there are."""

SaidOf = Callable[[str], tuple[str, Language] | None]
"""By an image's key, what another caption says of it by itself."""


class Images(NamedTuple):
    """What captions are compared with."""

    own: Mapping[str, NDArray[np.float32]]
    """The vectors of the captions' images, by key."""
    others: NDArray[np.float32]
    """``float32[n, dim]``, images of the corpus."""
    columns: Mapping[str, int]
    """Their rows, by key."""


class Measured(NamedTuple):
    """n phrases of several captions."""

    captions: NDArray[np.int64]
    """Whose each is."""
    vectors: NDArray[np.float32]
    """``float32[n, dim]``."""
    fit: NDArray[np.float64]
    """The share of other images that each says more of than of its own: the higher, the worse."""
    support: NDArray[np.float64]
    """The cosine to the nearest phrase elsewhere; NaN where nothing else is said of the image."""


def measure(
    captions: Sequence[tuple[Sequence[str], str]],
    language: Language,
    images: Images,
    said_of: SaidOf,
    vectors_of: PhraseVectors,
) -> Measured | None:
    """None where no caption has a phrase. A phrase of several images is measured on the worst; one of any
    of them on the best."""
    phrases = [
        (number, phrase)
        for number, (keys, text) in enumerate(captions)
        for phrase in phrases_of(text, language, len(keys))
    ]
    if not phrases:
        return None
    elsewhere = {
        key: [phrase.text for phrase in phrases_of(*said, 1)]
        for key in dict.fromkeys(key for keys, _ in captions for key in keys)
        if (said := said_of(key)) is not None
    }
    texts = dict.fromkeys(
        [
            *(text for _, p in phrases for text in (p.text, p.sentence, p.rest) if text),
            *(text for told in elsewhere.values() for text in told),
        ]
    )
    row = {text: at for at, text in enumerate(texts)}
    vectors = vectors_of(list(texts))
    alone = vectors[[row[phrase.text] for _, phrase in phrases]]
    added = vectors[[row[phrase.sentence] for _, phrase in phrases]]
    for at, (_, phrase) in enumerate(phrases):
        if phrase.rest:
            added[at] -= vectors[row[phrase.rest]]

    pairs = [(at, captions[number][0][i]) for at, (number, p) in enumerate(phrases) for i in p.images]
    of_phrase = [at for at, _ in pairs]
    own = np.stack([images.own[key] for _, key in pairs])
    excluded = [
        [images.columns[key] for key in captions[phrases[at][0]][0] if key in images.columns]
        for at in of_phrase
    ]
    shares = (
        _shares(alone[of_phrase], own, images.others, excluded)
        + _shares(added[of_phrase], own, images.others, excluded)
    ) / 2
    vectors_told = {key: vectors[[row[text] for text in told]] for key, told in elsewhere.items() if told}
    cosines = [
        float((vectors_told[key] @ alone[at]).max()) if key in vectors_told else np.nan for at, key in pairs
    ]
    fit, support = np.full(len(phrases), np.nan), np.full(len(phrases), np.nan)
    for at, share, cosine in zip(of_phrase, shares, cosines, strict=True):
        worse, better = (np.fmax, np.fmin) if phrases[at][1].of_named else (np.fmin, np.fmax)
        fit[at], support[at] = worse(fit[at], share), better(support[at], cosine)
    return Measured(np.array([number for number, _ in phrases]), alone, fit, support)


def products(
    left: NDArray[np.float32], right: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """``left @ right.T`` in blocks of rows, each with the number of its first."""
    for start in range(0, len(left), ROWS_AT_ONCE):
        block = left[start : start + ROWS_AT_ONCE]
        filled = np.zeros((ROWS_AT_ONCE, left.shape[1]), np.float32)
        filled[: len(block)] = block
        yield start, (filled @ right.T)[: len(block)]


def _shares(
    vectors: NDArray[np.float32],
    own: NDArray[np.float32],
    others: NDArray[np.float32],
    excluded: Sequence[Sequence[int]],
) -> NDArray[np.float64]:
    """For each row the share of ``others`` that it fits better than its ``own``, without those excluded."""
    fit_own = np.einsum("nd,nd->n", vectors, own)
    shares = np.zeros(len(vectors))
    for start, fits in products(vectors, others):
        for at, columns in enumerate(excluded[start : start + len(fits)]):
            fits[at, list(columns)] = -np.inf
            counted = max(1, len(others) - len(columns))
            shares[start + at] = np.count_nonzero(fits[at] > fit_own[start + at]) / counted
    return shares
