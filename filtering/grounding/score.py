"""Score how well a caption fits its images, phrase by phrase, compared with similar phrases elsewhere.

Comes in: captions with their images, the run's stored embeddings and captions, and the caller's text encoder.
Goes out: the deficit of each caption's worst phrase, in [0, 1]. Memory: embeddings and texts of a sample, and
of all members of sets. Not its job: measuring phrases (see phrase_embeddings).

Each phrase has two measurements. Its *misfit* is the share of other images of the corpus that it fits better
than its own, both by itself and by what it adds to its sentence. Its *support* is the similarity to the
nearest phrase of another caption of the same image. Some phrases fit no image, and some are never said twice.
Therefore both are compared with the median of the most similar phrases in captions of other images, and the
*deficit* is how much worse the phrase is. This needs no absolute scale: cosines differ between encoders,
languages, and long and short phrases.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
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
"""Weight of missing support against misfit: chosen on scenes that are in no reported figure (0038)."""
SIMILAR_PHRASES = 16
"""A phrase is compared with this many. 8 and 32 gave equal results."""

Embeddings = dict[str, NDArray[np.float32]]
"""Unit vectors by image key."""

KeyedTexts = Sequence[tuple[Sequence[str], str]]
"""Captions, each as its images' keys and its text."""


class KeyedCaption(NamedTuple):
    """A caption with the keys of its images."""

    target: str
    """The image's key, or the set's id."""
    keys: tuple[str, ...]
    text: str


class WorstPhrase(NamedTuple):
    """The phrase of a caption with the largest deficit."""

    text: str
    """In lower case at its start, where the caption may have a capital."""
    deficit: float
    """In [0, 1]."""


class Sample(NamedTuple):
    """Images and captions to compare with. The choice depends only on the corpus."""

    other_keys: list[str]
    others: NDArray[np.float32]
    """``float32[n, dim]``: the embeddings of ``other_keys``."""
    embeddings: Embeddings
    """Of the other images, and of all members of sets if a job captions sets."""
    singles: Mapping[str, Mapping[str, str]]
    """Captions of these images by jobs on single images, by job and key."""
    references: Mapping[str, Sequence[KeyedCaption]]
    """By job: captions of the other images, or of as many sets, in the order of their targets."""


class _References(NamedTuple):
    """Phrases to calibrate with."""

    fits: Fits
    of_images: Mapping[tuple[str, ...], list[int]]
    """The indices of the phrases of a caption's images."""


class Grounding:
    """Scores captions of one run against its images."""

    def __init__(self, context: RunContext, encoder: TextEncoder, image_count: int) -> None:
        """``image_count``: how many other images a phrase is compared with."""
        self._context, self._encoder = context, encoder
        self._embed = PhraseEmbeddings(encoder)
        self._plans = {job.name: context.plan(job) for job in context.jobs}
        self._sample = draw_sample(context, self._plans, image_count)
        self._rows = {key: at for at, key in enumerate(self._sample.other_keys)}
        self._embeddings_of = lru_cache(maxsize=1)(partial(shard_embeddings, context.folder))
        self._texts_of = lru_cache(maxsize=len(context.jobs))(self._read_texts)
        self._references_of = lru_cache(maxsize=len(context.jobs))(self._make_references)
        self._skipped: set[str] = set()

    def scores(self, job: Job, shard: str, captions: KeyedTexts) -> list[float | None]:
        """The deficits of ``worst_phrases``."""
        return [None if each is None else each.deficit for each in self.worst_phrases(job, shard, captions)]

    def worst_phrases(self, job: Job, shard: str, captions: KeyedTexts) -> list[WorstPhrase | None]:
        """The worst phrase of each caption of one shard.

        None if the encoder doesn't read the language (which is logged once), or if the caption has no
        sentence that is long enough.
        """
        if not self._encoder.reads(job.language):
            if job.language not in self._skipped:
                self._skipped.add(job.language)
                self._context.progress.say(
                    f"grounding is skipped for {job.language}: the text tower of the embedding model doesn't"
                    " read it; set embedding.model to a multilingual model"
                )
            return [None] * len(captions)
        if job.is_multi:
            fits = self._measure(job, captions, self._sample.embeddings, self._sample.singles.__getitem__)
        else:
            texts_of = partial(self._texts_of, shard)
            fits = self._measure(job, captions, self._embeddings_of(shard), texts_of)
        worst: list[WorstPhrase | None] = [None] * len(captions)
        if fits is None:
            return worst
        deficits = self._deficits(job, fits, captions).tolist()
        for number, phrase, deficit in zip(fits.captions.tolist(), fits.texts, deficits, strict=True):
            before = worst[number]
            if before is None or deficit > before.deficit:
                worst[number] = WorstPhrase(phrase, deficit)
        return [each and WorstPhrase(each.text, round(min(1.0, each.deficit), 4)) for each in worst]

    def _supporting(self, job: Job) -> list[Job]:
        """Other jobs on single images whose language the encoder reads; different languages first."""
        others = [
            each
            for each in self._context.jobs
            if not each.is_multi and each.name != job.name and self._encoder.reads(each.language)
        ]
        return sorted(others, key=lambda each: each.language == job.language)

    def _measure(
        self, job: Job, captions: KeyedTexts, own: Embeddings, texts_of: Callable[[str], Mapping[str, str]]
    ) -> Fits | None:
        """``texts_of`` gives a supporting job's captions by image key. Each image is supported by the first
        job that has a caption of it."""
        prompt = self._context.prompts.get(job.name)
        naming = prompt.naming if prompt is not None else None
        described = [
            Described(keys, phrases_of(text, job.language, len(keys), naming)) for keys, text in captions
        ]
        supports = [(each.language, texts_of(each.name)) for each in self._supporting(job)]
        elsewhere: dict[str, list[str]] = {}
        for key in dict.fromkeys(key for keys, _ in captions for key in keys):
            for language, texts in supports:
                if key in texts:
                    elsewhere[key] = [phrase.text for phrase in phrases_of(texts[key], language, 1)]
                    break
        return measure(described, Images(own, self._sample.others, self._rows), elsewhere, self._embed)

    def _deficits(self, job: Job, fits: Fits, captions: KeyedTexts) -> NDArray[np.float64]:
        """How much worse each phrase's fit and support are than those of similar phrases."""
        references = self._references_of(job)
        if references is None:
            return fits.misfit
        theirs = references.fits
        places = np.arange(len(theirs.misfit))
        deficits = np.zeros(len(fits.misfit))
        for start, cosines in products(fits.embeddings, theirs.embeddings):
            # Equal texts are equally near, whatever the last bits of their cosines. The first ones are taken.
            nearness = np.rint(cosines * 1e4).astype(np.int64) * len(places) - places
            for at, near in enumerate(nearness, start):
                own = references.of_images.get(tuple(captions[fits.captions[at]][0]), [])
                near[own] = np.iinfo(np.int64).min
                count = min(SIMILAR_PHRASES, len(near) - len(own))
                similar = np.argpartition(near, len(near) - count)[-count:] if count else places[:0]
                deficits[at] = max(0.0, fits.misfit[at] - _median(theirs.misfit[similar]))
                missing_support = _median(theirs.support[similar]) - fits.support[at]
                if missing_support > 0:  # False for NaN
                    deficits[at] += SUPPORT_WEIGHT * missing_support
        return deficits

    def _make_references(self, job: Job) -> _References | None:
        captions = [(each.keys, each.text) for each in self._sample.references[job.name]]
        fits = self._measure(job, captions, self._sample.embeddings, self._sample.singles.__getitem__)
        if fits is None:
            return None
        of_images: dict[tuple[str, ...], list[int]] = {}
        for at, number in enumerate(fits.captions.tolist()):
            of_images.setdefault(captions[number][0], []).append(at)
        return _References(fits, of_images)

    def _read_texts(self, shard: str, job: str) -> dict[str, str]:
        """The captions of a job on single images in ``shard``, by image key."""
        return {each.target: each.text for each in _keyed_captions(self._plans[job].read(shard))}


def _median(values: NDArray[np.float64]) -> float:
    """Of the values that are not NaN; 0 if there are none."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0


def shard_embeddings(folder: RunFolder, shard: str) -> Embeddings:
    """Of each readable image of ``shard``."""
    embedded = [image for image in folder.images(shard) if image.is_embedded]
    rows = map_embeddings(folder.embeddings_file(shard), len(embedded)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {image.key: row for image, row in zip(embedded, rows, strict=True) if image.unreadable is None}


def _keyed_captions(planned: Sequence[Planned]) -> list[KeyedCaption]:
    """The captions of ``planned`` that didn't fail."""
    return [
        KeyedCaption(target_of(each.target.id), tuple(i.key for i in each.target.images), each.caption.text)
        for each in planned
        if each.caption is not None and each.caption.failure is None
    ]


def draw_sample(context: RunContext, plans: Mapping[str, JobPlan], count: int) -> Sample:
    """Choose ``count`` images and sets by hash. ``plans`` are those of the context's jobs, by name.

    Reads all embeddings and all captions once. Raises SetupError if there is no image.
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
        captions = (each for _, planned in plan.read_all() for each in _keyed_captions(planned))
        if plan.job.is_multi:
            references[name] = sorted(each for each in captions if each.target in chosen_sets)
        else:
            singles[name] = {each.target: each.text for each in captions if each.target in embeddings}
            references[name] = [
                KeyedCaption(key, (key,), singles[name][key]) for key in chosen if key in singles[name]
            ]
    return Sample(list(chosen), np.stack(list(chosen.values())), embeddings, singles, references)


def _choose_images(folder: RunFolder, members: set[str], count: int) -> tuple[Embeddings, Embeddings]:
    """The embeddings of the ``count`` images with the smallest hashes, sorted by key; and these together with
    those of ``members``."""
    embeddings: Embeddings = {}
    heap: list[tuple[int, str, NDArray[np.float32]]] = []
    for shard in folder.shards():
        for key, embedding in shard_embeddings(folder, shard).items():
            if key in members:
                embeddings[key] = embedding.copy()  # a view would keep the whole shard in memory
            entry = (-hash64(key), key)
            if len(heap) < count:
                heapq.heappush(heap, (*entry, embedding.copy()))
            elif entry > heap[0][:2]:
                heapq.heapreplace(heap, (*entry, embedding.copy()))
    chosen = {key: embedding for _, key, embedding in sorted(heap, key=lambda entry: entry[1])}
    return chosen, embeddings | chosen
