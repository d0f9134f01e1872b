"""Whether a caption fits its own images: phrase by phrase, beside phrases like it.

Comes in: captions with the images that they are of, the run's stored embeddings and captions, and a text
encoder that the caller hands in. Goes out: for each caption how much its worst phrase lacks, in [0, 1].
Memory: embeddings and texts of a sample, and of all members of sets. Not its job: measuring phrases (see
phrase_embeddings).

Two things are measured of each phrase. Its *misfit*: the share of other images of the corpus that it fits
better than its own, by itself and by what it adds to its sentence. Its *support*: the similarity to the
nearest phrase of another caption of the same image by itself. Both are compared with the median of the
phrases most like it in captions of other images: some phrases fit no image, and some are never said twice.
So neither needs a scale: cosines differ between encoders, languages, and long and short phrases.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.filtering.grounding.phrase_embeddings import (
    Described,
    Fits,
    Images,
    PhraseEmbeddings,
    TextEncoder,
    measure,
    products,
)
from triptych.filtering.grounding.phrases import phrases_of
from triptych.jobs import Job
from triptych.records import target_of
from triptych.runs.arrays import map_embeddings
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, Planned
from triptych.runs.sampling import hash64

SUPPORT_WEIGHT = 2.0
"""Of lacking support beside lacking fit: chosen on scenes that no figure is reported of (0038)."""
ALIKE = 16
"""Phrases that one is compared with: 8 and 32 did as well."""

Embeddings = dict[str, NDArray[np.float32]]
"""Each of length 1, by image key."""


class KeyedCaption(NamedTuple):
    """A caption with the keys of its images."""

    target: str
    """The image's key, or the set's id."""
    keys: tuple[str, ...]
    text: str


class Worst(NamedTuple):
    """The phrase of a caption that lacks most."""

    phrase: str
    """As it stands within a sentence: the caption may have its first letter as a capital."""
    lacks: float
    """In [0, 1]."""


class Sample(NamedTuple):
    """What was chosen. Other images and sets would be chosen only in another corpus."""

    other_keys: list[str]
    others: NDArray[np.float32]
    """``float32[n, dim]``, of ``other_keys``."""
    embeddings: Embeddings
    """Of the other images, and of all members of sets where a job captions sets."""
    singles: Mapping[str, Mapping[str, str]]
    """By job on single images: what it says of these images, by key."""
    references: Mapping[str, Sequence[KeyedCaption]]
    """By job: captions of the other images, or of as many sets, in the order of their targets."""


class _References(NamedTuple):
    """Phrases to calibrate by."""

    fits: Fits
    of_images: Mapping[tuple[str, ...], list[int]]
    """Which of them are of these images."""


class Grounding:
    """Scores captions of one run against its images."""

    def __init__(self, context: RunContext, encoder: TextEncoder, image_count: int) -> None:
        """``image_count``: how many other images a phrase is compared with."""
        self._context, self._encoder = context, encoder
        self._embed = PhraseEmbeddings(encoder)
        self._plans = {job.name: context.plan(job) for job in context.jobs}
        self._sample = gather(context, self._plans, image_count)
        self._rows = {key: at for at, key in enumerate(self._sample.other_keys)}
        self._embeddings_of = lru_cache(maxsize=1)(partial(shard_embeddings, context.folder))
        self._texts_of = lru_cache(maxsize=len(context.jobs))(self._read_texts)
        self._references: dict[str, _References | None] = {}
        self._skipped: set[str] = set()

    def scores(
        self, job: Job, shard: str, captions: Sequence[tuple[Sequence[str], str]]
    ) -> list[float | None]:
        """How much the worst phrase lacks, in [0, 1]; see ``worst``."""
        return [None if each is None else each.lacks for each in self.worst(job, shard, captions)]

    def worst(
        self, job: Job, shard: str, captions: Sequence[tuple[Sequence[str], str]]
    ) -> list[Worst | None]:
        """For captions of one shard, each given as its images' keys and its text.

        None where nothing can be said: the encoder doesn't read the language (said once), or the
        caption has no sentence long enough.
        """
        if not self._encoder.reads(job.language):
            self._say_skipped(job.language)
            return [None] * len(captions)
        supports = self._supporting(job)
        if job.is_multi:
            own, said = self._sample.embeddings, [self._sample.singles[each.name] for each in supports]
        else:
            own, said = self._embeddings_of(shard), [self._texts_of(each.name, shard) for each in supports]
        fits = self._measure(job, captions, own, supports, said)
        if fits is None:
            return [None] * len(captions)
        worst: list[Worst | None] = [None] * len(captions)
        for number, phrase, lacks in zip(
            fits.captions.tolist(), fits.texts, self._lacks(job, fits, captions).tolist(), strict=True
        ):
            before = worst[number]
            if before is None or lacks > before.lacks:
                worst[number] = Worst(phrase, lacks)
        return [each and Worst(each.phrase, round(min(1.0, each.lacks), 4)) for each in worst]

    def _say_skipped(self, language: str) -> None:
        if language not in self._skipped:
            self._skipped.add(language)
            self._context.progress.say(
                f"grounding is skipped for {language}: the text tower of the embedding model doesn't"
                " read it; a multilingual model as embedding.model would"
            )

    def _supporting(self, job: Job) -> list[Job]:
        """Other jobs on single images that can be read; those in other languages first."""
        others = [
            each
            for each in self._context.jobs
            if not each.is_multi and each.name != job.name and self._encoder.reads(each.language)
        ]
        return sorted(others, key=lambda each: each.language == job.language)

    def _measure(
        self,
        job: Job,
        captions: Sequence[tuple[Sequence[str], str]],
        own: Embeddings,
        supports: Sequence[Job],
        said: Sequence[Mapping[str, str]],
    ) -> Fits | None:
        """``said``: for each of ``supports`` what it says of images, by key. The first that speaks counts."""
        prompt = self._context.prompts.get(job.name)
        naming = prompt.naming if prompt is not None else None
        described = [
            Described(keys, phrases_of(text, job.language, len(keys), naming)) for keys, text in captions
        ]
        elsewhere: dict[str, list[str]] = {}
        for key in dict.fromkeys(key for keys, _ in captions for key in keys):
            for other, texts in zip(supports, said, strict=True):
                if key in texts:
                    elsewhere[key] = [phrase.text for phrase in phrases_of(texts[key], other.language, 1)]
                    break
        return measure(described, Images(own, self._sample.others, self._rows), elsewhere, self._embed)

    def _lacks(
        self, job: Job, fits: Fits, captions: Sequence[tuple[Sequence[str], str]]
    ) -> NDArray[np.float64]:
        """What each phrase lacks in fit and support beside phrases like it."""
        references = self._references_of(job)
        if references is None:
            return fits.misfit
        theirs = references.fits
        places = np.arange(len(theirs.misfit))
        lacks = np.zeros(len(fits.misfit))
        for start, cosines in products(fits.embeddings, theirs.embeddings):
            # The same text again is as near: of those the first ones, whatever the last bits say.
            nearness = np.rint(cosines * 1e4).astype(np.int64) * len(places) - places
            for at, near in enumerate(nearness, start):
                own = references.of_images.get(tuple(captions[fits.captions[at]][0]), [])
                near[own] = np.iinfo(np.int64).min
                count = min(ALIKE, len(near) - len(own))
                alike = np.argpartition(near, len(near) - count)[-count:] if count else places[:0]
                lacks[at] = max(0.0, fits.misfit[at] - _median(theirs.misfit[alike]))
                support = _median(theirs.support[alike]) - fits.support[at]
                if support > 0:  # not where either is NaN
                    lacks[at] += SUPPORT_WEIGHT * support
        return lacks

    def _references_of(self, job: Job) -> _References | None:
        if job.name not in self._references:
            captions = [(each.keys, each.text) for each in self._sample.references[job.name]]
            supports = self._supporting(job)
            said = [self._sample.singles[each.name] for each in supports]
            fits = self._measure(job, captions, self._sample.embeddings, supports, said)
            of_images: dict[tuple[str, ...], list[int]] = {}
            if fits is not None:
                for at, number in enumerate(fits.captions.tolist()):
                    of_images.setdefault(captions[number][0], []).append(at)
            self._references[job.name] = None if fits is None else _References(fits, of_images)
        return self._references[job.name]

    def _read_texts(self, job: str, shard: str) -> dict[str, str]:
        """What a job on single images says of the images of ``shard``, by key."""
        return {each.target: each.text for each in captioned(self._plans[job].read(shard))}


def _median(values: NDArray[np.float64]) -> float:
    """Of those that are known; 0 of nothing."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def shard_embeddings(folder: RunFolder, shard: str) -> Embeddings:
    """Those of each readable image of ``shard``."""
    embedded = [image for image in folder.images(shard) if image.is_embedded]
    rows = map_embeddings(folder.embeddings_file(shard), len(embedded)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {image.key: row for image, row in zip(embedded, rows, strict=True) if image.unreadable is None}


def captioned(planned: Sequence[Planned]) -> list[KeyedCaption]:
    """Those of ``planned`` that have a caption's text."""
    return [
        KeyedCaption(target_of(each.target.id), tuple(i.key for i in each.target.images), each.caption.text)
        for each in planned
        if each.caption is not None and each.caption.failure is None
    ]


def gather(context: RunContext, plans: Mapping[str, JobPlan], count: int) -> Sample:
    """``count`` images and sets by hash. ``plans`` are those of the context's jobs, by name.

    Goes through the embeddings once and through the captions once. Raises SetupError where there is no image.
    """
    folder = context.folder
    sets = list(folder.sets()) if any(job.is_multi for job in context.jobs) else []
    chosen, embeddings = _choose_images(folder, {key for each in sets for key in each.keys}, count)
    if not chosen:
        raise SetupError(
            f"{folder.path} has no readable image to compare captions with;"
            f" see `triptych status {folder.path}`"
        )
    chosen_sets = set(sorted((each.id for each in sets), key=hash64)[:count])
    singles: dict[str, dict[str, str]] = {}
    references: dict[str, list[KeyedCaption]] = {}
    for name, plan in plans.items():
        captions = (each for _, planned in plan.read_all() for each in captioned(planned))
        if plan.job.is_multi:
            references[name] = sorted(each for each in captions if each.target in chosen_sets)
        else:
            singles[name] = {each.target: each.text for each in captions if each.target in embeddings}
            references[name] = [
                KeyedCaption(key, (key,), singles[name][key]) for key in chosen if key in singles[name]
            ]
    return Sample(list(chosen), np.stack(list(chosen.values())), embeddings, singles, references)


def _choose_images(folder: RunFolder, members: set[str], count: int) -> tuple[Embeddings, Embeddings]:
    """Embeddings of the ``count`` images with the smallest hashes, by key in order; the same and those of
    ``members``."""
    embeddings: Embeddings = {}
    heap: list[tuple[int, str, NDArray[np.float32]]] = []
    for shard in folder.shards():
        for key, embedding in shard_embeddings(folder, shard).items():
            if key in members:
                embeddings[key] = embedding.copy()  # a view would keep all of the shard
            entry = (-hash64(key), key)
            if len(heap) < count:
                heapq.heappush(heap, (*entry, embedding.copy()))
            elif entry > heap[0][:2]:
                heapq.heapreplace(heap, (*entry, embedding.copy()))
    chosen = {key: embedding for _, key, embedding in sorted(heap, key=lambda entry: entry[1])}
    return chosen, embeddings | chosen
