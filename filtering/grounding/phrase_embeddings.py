"""Embed phrases, and measure how well each fits its images and other captions of these images.

Comes in: captions with the embeddings of their images, other images, other captions of the same images, and
the caller's text encoder. Goes out: two numbers for each phrase. Not its job: judging these numbers (see
score), splitting captions into phrases (see phrases).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.grounding.phrases import Phrase

CACHE_BYTES = 256 * 2**20
"""Of embeddings, in each of two cache generations: half a million phrases of 128 dimensions in fp32, or
87,000 of 768. Phrases recur often in a corpus. Those that don't recur within a generation are encoded
again."""

ROWS_AT_ONCE = 256
"""Blocks are padded to this size: the last bits of a matrix product may depend on its number of rows."""


class TextEncoder(Protocol):
    """The text tower of the embedding model."""

    def reads(self, language: str) -> bool:
        """Whether it knows the language with this code."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, rows of length 1 that don't depend on the other texts."""


LoadTextEncoder = Callable[[], TextEncoder]


class PhraseEmbeddings:
    """Encodes texts, and caches recent ones."""

    def __init__(self, encoder: TextEncoder, cache_bytes: int = CACHE_BYTES) -> None:
        self._encoder, self._cache_bytes = encoder, cache_bytes
        self._young: dict[str, NDArray[np.float32]] = {}
        self._old: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]`` for at least one text."""
        rows = {text: cache[text] for cache in (self._old, self._young) for text in texts if text in cache}
        if unknown := [text for text in dict.fromkeys(texts) if text not in rows]:
            rows.update(zip(unknown, self._encoder.encode_texts(unknown), strict=True))
        # Copies, because a row of the encoder's block would keep the whole block alive.
        self._young.update((text, row.copy()) for text, row in rows.items() if text not in self._young)
        if len(self._young) * rows[texts[0]].nbytes > self._cache_bytes:
            self._old, self._young = self._young, {}
        return np.stack([rows[text] for text in texts])


class Described(NamedTuple):
    """A caption: the keys of its images, and its phrases."""

    keys: Sequence[str]
    phrases: Sequence[Phrase]


class Images(NamedTuple):
    """The images that captions are compared with."""

    own: Mapping[str, NDArray[np.float32]]
    """The embeddings of the captions' images, by key."""
    others: NDArray[np.float32]
    """``float32[n, dim]``: a sample of the corpus."""
    rows: Mapping[str, int]
    """The rows of ``others``, by key."""


class Fits(NamedTuple):
    """The measurements of n phrases of several captions."""

    captions: NDArray[np.int64]
    """The index of each phrase's caption."""
    texts: list[str]
    embeddings: NDArray[np.float32]
    """``float32[n, dim]``."""
    misfit: NDArray[np.float64]
    """The share of other images that the phrase fits better than its own: the higher, the worse."""
    support: NDArray[np.float64]
    """The cosine to the nearest phrase of another caption of the image; NaN if there is none."""


def measure(
    captions: Sequence[Described],
    images: Images,
    elsewhere: Mapping[str, Sequence[str]],
    embed: PhraseEmbeddings,
) -> Fits | None:
    """Measure the phrases of ``captions``; None if there are none. ``elsewhere`` has phrases of other
    captions, by image key.

    A phrase that holds of each of several images is measured on the worst, one that holds of any on the best.
    """
    phrases = [(number, phrase) for number, caption in enumerate(captions) for phrase in caption.phrases]
    if not phrases:
        return None
    own_texts = (text for _, p in phrases for text in (p.text, p.sentence, p.rest) if text)
    texts = list(dict.fromkeys([*own_texts, *(text for each in elsewhere.values() for text in each)]))
    row = {text: at for at, text in enumerate(texts)}
    embeddings = embed(texts)
    alone = embeddings[[row[phrase.text] for _, phrase in phrases]]
    added = embeddings[[row[phrase.sentence] for _, phrase in phrases]]
    for at, (_, phrase) in enumerate(phrases):
        if phrase.rest:
            added[at] -= embeddings[row[phrase.rest]]

    pairs = [(at, captions[number].keys[i]) for at, (number, p) in enumerate(phrases) for i in p.images]
    of_phrase = [at for at, _ in pairs]
    own = np.stack([images.own[key] for _, key in pairs])
    excluded = [
        [images.rows[key] for key in captions[phrases[at][0]].keys if key in images.rows] for at in of_phrase
    ]
    shares = (
        _better_shares(alone[of_phrase], own, images.others, excluded)
        + _better_shares(added[of_phrase], own, images.others, excluded)
    ) / 2
    theirs = {key: embeddings[[row[text] for text in texts]] for key, texts in elsewhere.items() if texts}
    cosines = [float((theirs[key] @ alone[at]).max()) if key in theirs else np.nan for at, key in pairs]
    misfit, support = np.full(len(phrases), np.nan), np.full(len(phrases), np.nan)
    for at, share, cosine in zip(of_phrase, shares, cosines, strict=True):
        worse, better = (np.fmax, np.fmin) if phrases[at][1].holds_of_each else (np.fmin, np.fmax)
        misfit[at], support[at] = worse(misfit[at], share), better(support[at], cosine)
    numbers = np.array([number for number, _ in phrases])
    return Fits(numbers, [phrase.text for _, phrase in phrases], alone, misfit, support)


def products(
    left: NDArray[np.float32], right: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """``left @ right.T`` in blocks of rows, each with the index of its first row."""
    for start in range(0, len(left), ROWS_AT_ONCE):
        block = left[start : start + ROWS_AT_ONCE]
        padded = np.zeros((ROWS_AT_ONCE, left.shape[1]), np.float32)
        padded[: len(block)] = block
        yield start, (padded @ right.T)[: len(block)]


def _better_shares(
    embeddings: NDArray[np.float32],
    own: NDArray[np.float32],
    others: NDArray[np.float32],
    excluded: Sequence[Sequence[int]],
) -> NDArray[np.float64]:
    """For each row the share of ``others``, without ``excluded``, that it fits better than its ``own``."""
    fit_own = np.einsum("nd,nd->n", embeddings, own)
    shares = np.zeros(len(embeddings))
    for start, fits in products(embeddings, others):
        for at, rows in enumerate(excluded[start : start + len(fits)]):
            fits[at, list(rows)] = -np.inf
            counted = max(1, len(others) - len(rows))
            shares[start + at] = np.count_nonzero(fits[at] > fit_own[start + at]) / counted
    return shares
