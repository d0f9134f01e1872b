"""Whether a caption fits its own images better than it fits others: phrase by phrase, by rank.

Comes in: captions with the images that they are of, the run's stored embeddings, and a text encoder
that whoever calls this hands in. Goes out: for each caption a rank, a share, in [0, 1], of other images of
the corpus. Not its job: making the vectors.

For one image it is that of the least fitting phrase: each is left out of its sentence in turn, and ranked
by how much it adds to the fit with its own image, beside what it adds with others. One thing that isn't
there hardly moves the fit of a whole sentence, but it adds less than nothing. A sentence of one phrase is
ranked by its fit. For a set each image has to be covered: of the sentences that name it (or that name none)
the best fitting counts, and of the images the worst.

A rank needs no scale: cosines differ between encoders, languages and long and short sentences.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from corpus.errors import SetupError
from corpus.progress import Progress
from corpus.records import JobName, Language, is_multi, language_of
from corpus.runfolder import RunFolder
from filtering.references import references
from filtering.units import units_of

SHORTEST_UNITS = 3
"""A sentence of fewer words or characters says too little to be compared."""

_BETWEEN_PHRASES = {
    "en": re.compile(r"(,\s*(?:and\s+)?|\s+and\s+|\s+with\s+)"),
    "zh": re.compile(r"([、，]|和)"),
}
SHORTEST_PHRASE_UNITS = 2

_SENTENCE = {
    "en": re.compile(r"(?<=[a-z\"”)])[.!?;]+(?=\s|$)|[\r\n]+", re.IGNORECASE),
    "zh": re.compile(r"[。！？；!?;\r\n]+"),
}


class TextEncoder(Protocol):
    """The text tower of the model that made the embeddings."""

    def reads(self, language: Language) -> bool:
        """Whether it knows words of ``language``."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, each row of length 1."""


LoadTextEncoder = Callable[[], TextEncoder]


class _Sentence(NamedTuple):
    text: str
    caption: int
    images: tuple[int, ...]
    """Which of its caption's images it may be of, from 0."""


class Grounding:
    """Ranks captions of one run against its images."""

    def __init__(
        self,
        run: RunFolder,
        encoder: TextEncoder,
        image_count: int,
        jobs: Sequence[JobName],
        progress: Progress,
    ) -> None:
        self._run, self._encoder, self._progress = run, encoder, progress
        members = {key for each in run.sets() for key in each.keys} if any(map(is_multi, jobs)) else set()
        self._members: dict[str, NDArray[np.float32]] = {}
        self._shard: tuple[str, dict[str, NDArray[np.float32]]] = "", {}
        self._others, self._other_keys = self._choose_others(image_count, members)
        self._skipped: set[Language] = set()

    def ranks(
        self, job: JobName, shard: str, captions: Sequence[tuple[Sequence[str], str]]
    ) -> list[float | None]:
        """For captions of one shard, each given as its images' keys and its text.

        None where nothing can be said: the encoder doesn't read the language (said once), or the
        caption has no sentence long enough.
        """
        language = language_of(job)
        if not self._encoder.reads(language):
            if language not in self._skipped:
                self._skipped.add(language)
                self._progress.say(
                    f"grounding is skipped for {language}: the text tower of the embedding model doesn't"
                    " read it; a multilingual model as embedding.model would"
                )
            return [None] * len(captions)
        sentences = [
            sentence
            for at, (keys, text) in enumerate(captions)
            for sentence in split_sentences(text, language, len(keys), at)
        ]
        if not sentences:
            return [None] * len(captions)
        # Models like to close with the same words: each different sentence is encoded once.
        place: dict[str, int] = {}
        shortened = [[] if is_multi(job) else without_each_phrase(s.text, language) for s in sentences]
        for sentence, shorter in zip(sentences, shortened, strict=True):
            for text in (sentence.text, *shorter):
                place.setdefault(text, len(place))
        different = self._encoder.encode_texts(list(place))
        vectors = different[[place[sentence.text] for sentence in sentences]]
        rests = [different[[place[text] for text in shorter]] for shorter in shortened]
        of_caption: dict[int, list[int]] = {}
        for at, sentence in enumerate(sentences):
            of_caption.setdefault(sentence.caption, []).append(at)
        own = self._vectors_of(shard) if not is_multi(job) else self._members
        return [
            self._rank(keys, own, [sentences[at] for at in mine], vectors[mine], [rests[at] for at in mine])
            if (mine := of_caption.get(number))
            else None
            for number, (keys, _) in enumerate(captions)
        ]

    def _rank(
        self,
        keys: Sequence[str],
        own: Mapping[str, NDArray[np.float32]],
        sentences: Sequence[_Sentence],
        vectors: NDArray[np.float32],
        rests: Sequence[NDArray[np.float32]],
    ) -> float:
        """``vectors``: float32[sentences, dim]. ``rests``: of each sentence float32[phrases, dim], it without
        one phrase."""
        images = np.stack([own[key] for key in keys])
        others = self._others[~np.isin(self._other_keys, list(keys))]
        if len(keys) == 1:
            added = [
                vector - rest if len(rest) else vector[None]
                for vector, rest in zip(vectors, rests, strict=True)
            ]
            return round(float(_ranks(np.concatenate(added), images, others).max()), 4)
        ranks = _ranks(vectors, images, others)
        fits = (
            [ranks[at, image] for at, each in enumerate(sentences) if image in each.images]
            for image in range(len(keys))
        )
        return round(float(max(min(each, default=0.0) for each in fits)), 4)

    def _choose_others(self, count: int, members: set[str]) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        """``count`` images by hash over the corpus; on the way, the vectors of ``members``."""
        chosen: list[tuple[bytes, str, NDArray[np.float32]]] = []
        for shard in self._run.shards():
            for key, vector in self._vectors_of(shard).items():
                if key in members:
                    self._members[key] = vector
                entry = (_inverted(hashlib.blake2b(key.encode(), digest_size=8).digest()), key, vector)
                if len(chosen) < count:
                    heapq.heappush(chosen, entry)
                elif entry[0] > chosen[0][0]:
                    heapq.heapreplace(chosen, entry)
        if not chosen:
            raise SetupError(f"{self._run.path} has no readable image to compare captions with")
        chosen.sort(key=lambda entry: entry[1])
        return np.stack([vector for _, _, vector in chosen]), np.array([key for _, key, _ in chosen])

    def _vectors_of(self, shard: str) -> dict[str, NDArray[np.float32]]:
        if self._shard[0] != shard:
            rows = np.load(self._run.embeddings_file(shard), allow_pickle=False).astype(np.float32)
            readable = [image.key for image in self._run.images(shard) if image.unreadable is None]
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            self._shard = shard, dict(zip(readable, rows, strict=True))
        return self._shard[1]


def _ranks(
    vectors: NDArray[np.float32], images: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float64]:
    """``float64[n, images]``: the share of ``others`` that vector i fits better than image j."""
    fit_own, fit_others = vectors @ images.T, vectors @ others.T
    shares: NDArray[np.float64] = (fit_others[:, None, :] > fit_own[:, :, None]).mean(axis=2)
    return shares


def without_each_phrase(sentence: str, language: Language) -> list[str]:
    """The sentence once for each phrase, without it; nothing for a sentence of one phrase."""
    parts = _BETWEEN_PHRASES[language].split(sentence)
    if len(parts) < 3:
        return []
    return [
        "".join(parts[:at] + parts[at + 2 :] if at + 1 < len(parts) else parts[: at - 1])
        for at in range(0, len(parts), 2)
        if len(units_of(parts[at])) >= SHORTEST_PHRASE_UNITS
    ]


def split_sentences(text: str, language: Language, image_count: int, caption: int) -> list[_Sentence]:
    """The sentences that can be compared, each with the images that it may be of.

    In a caption of a set, a sentence without a number goes on about the images of the one before it.
    """
    everything = tuple(range(image_count))
    found: list[_Sentence] = []
    images = everything
    for part in _SENTENCE[language].split(text):
        units = units_of(part)
        if len(units) < SHORTEST_UNITS:
            continue
        if image_count > 1:
            named = references(part, frozenset(units), language, image_count).named
            inside = tuple(sorted(number - 1 for number in named if 1 <= number <= image_count))
            if inside:
                images = inside
        found.append(_Sentence(part.strip(), caption, images))
    return found


def _inverted(digest: bytes) -> bytes:
    """So that the largest are those with the smallest hash."""
    return bytes(255 - byte for byte in digest)
