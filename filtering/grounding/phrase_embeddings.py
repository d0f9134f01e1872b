"""Embeddings of phrases, and how well each phrase fits its images and what else is said of them.

Comes in: captions with the embeddings of their images, other images, other captions of the same images, and
a text encoder that the caller hands in. Goes out: two numbers a phrase. Not its job: what those numbers
should be (see score), which texts to take (see phrases).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.grounding.phrases import Phrase

CACHE_BYTES = 256 * 2**20
"""Of embeddings, in each of two generations: half a million phrases of 128 dimensions in fp32, 87,000 of 768.
A corpus says the same thing again and again; what it hasn't said for a generation is encoded anew."""

ROWS_AT_ONCE = 256
"""Always as many, filled up: a row of a matrix product may depend in its last bits on how many there are."""


class TextEncoder(Protocol):
    """The text tower of the model that made the embeddings."""

    def reads(self, language: str) -> bool:
        """Whether it knows words of the language with this code."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, each row of length 1, the same whatever else is encoded with it."""


LoadTextEncoder = Callable[[], TextEncoder]


class PhraseEmbeddings:
    """Encodes texts, and remembers those that were asked for lately."""

    def __init__(self, encoder: TextEncoder, cache_bytes: int = CACHE_BYTES) -> None:
        self._encoder, self._cache_bytes = encoder, cache_bytes
        self._young: dict[str, NDArray[np.float32]] = {}
        self._old: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]`` for one text or more."""
        found = {
            text: known if (known := self._young.get(text)) is not None else self._old.get(text)
            for text in texts
        }
        unknown = [text for text, known in found.items() if known is None]
        if unknown:
            found.update(zip(unknown, self._encoder.encode_texts(unknown), strict=True))
        # A copy each: a row of the encoder's block would keep the whole block.
        known_now = {text: row for text, row in found.items() if row is not None}
        self._young.update((text, row.copy()) for text, row in known_now.items() if text not in self._young)
        if len(self._young) * known_now[texts[0]].nbytes > self._cache_bytes:
            self._old, self._young = self._young, {}
        return np.stack([known_now[text] for text in texts])


class Described(NamedTuple):
    """A caption: the keys of its images, and its phrases."""

    keys: Sequence[str]
    phrases: Sequence[Phrase]


class Images(NamedTuple):
    """What captions are compared with."""

    own: Mapping[str, NDArray[np.float32]]
    """The embeddings of the captions' images, by key."""
    others: NDArray[np.float32]
    """``float32[n, dim]``, images of the corpus."""
    rows: Mapping[str, int]
    """Their rows, by key."""


class Fits(NamedTuple):
    """n phrases of several captions."""

    captions: NDArray[np.int64]
    """The number of the caption that each belongs to."""
    texts: list[str]
    embeddings: NDArray[np.float32]
    """``float32[n, dim]``."""
    misfit: NDArray[np.float64]
    """The share of other images that each fits better than its own: the higher, the worse."""
    support: NDArray[np.float64]
    """The cosine to the nearest phrase of another caption of the image; NaN where there is none."""


def measure(
    captions: Sequence[Described],
    images: Images,
    elsewhere: Mapping[str, Sequence[str]],
    embed: PhraseEmbeddings,
) -> Fits | None:
    """None where no caption has a phrase. ``elsewhere`` has phrases of other captions, by image key.

    A phrase of several images is measured on the worst; one of any of them on the best.
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
    others_said = {key: embeddings[[row[text] for text in said]] for key, said in elsewhere.items() if said}
    cosines = [
        float((others_said[key] @ alone[at]).max()) if key in others_said else np.nan for at, key in pairs
    ]
    misfit, support = np.full(len(phrases), np.nan), np.full(len(phrases), np.nan)
    for at, share, cosine in zip(of_phrase, shares, cosines, strict=True):
        worse, better = (np.fmax, np.fmin) if phrases[at][1].holds_of_each else (np.fmin, np.fmax)
        misfit[at], support[at] = worse(misfit[at], share), better(support[at], cosine)
    numbers, said = np.array([number for number, _ in phrases]), [phrase.text for _, phrase in phrases]
    return Fits(numbers, said, alone, misfit, support)


def products(
    left: NDArray[np.float32], right: NDArray[np.float32]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """``left @ right.T`` in blocks of rows, each with the number of its first."""
    for start in range(0, len(left), ROWS_AT_ONCE):
        block = left[start : start + ROWS_AT_ONCE]
        filled = np.zeros((ROWS_AT_ONCE, left.shape[1]), np.float32)
        filled[: len(block)] = block
        yield start, (filled @ right.T)[: len(block)]


def _better_shares(
    embeddings: NDArray[np.float32],
    own: NDArray[np.float32],
    others: NDArray[np.float32],
    excluded: Sequence[Sequence[int]],
) -> NDArray[np.float64]:
    """For each row the share of ``others`` that it fits better than its ``own``, without those excluded."""
    fit_own = np.einsum("nd,nd->n", embeddings, own)
    shares = np.zeros(len(embeddings))
    for start, fits in products(embeddings, others):
        for at, rows in enumerate(excluded[start : start + len(fits)]):
            fits[at, list(rows)] = -np.inf
            counted = max(1, len(others) - len(rows))
            shares[start + at] = np.count_nonzero(fits[at] > fit_own[start + at]) / counted
    return shares
