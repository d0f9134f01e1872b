"""Whether a caption fits its own images: phrase by phrase, as phrases like it fit theirs.

Comes in: captions with the images that they are of, the run's stored embeddings and captions, and a text
encoder that whoever calls this hands in. Goes out: for each caption how much its worst phrase lacks, in
[0, 1]. Not its job: making the vectors; what a set's opening says of all images (see contradiction).

Of each phrase two things are measured (see phrase_fit). Its *fit*: of other images of the corpus the share
that it says more of than of its own, by itself and by what it adds to its sentence. Its *support*: the
similarity to the nearest phrase of what another caption says of the same image by itself. Both are compared
with the median of the phrases most like it in captions of other images: some phrases fit no image, and some
are never said twice. So neither needs a scale: cosines differ between encoders, languages, and
long and short phrases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.grounding_sample import PlannedTexts, Vectors, gather, shard_vectors
from triptych.filtering.phrase_fit import Images, Measured, measure, products
from triptych.filtering.phrase_vectors import PhraseVectors, TextEncoder
from triptych.jobs import Job
from triptych.progress import Progress
from triptych.records import JobName, Language, is_multi, language_of
from triptych.runs.folder import RunFolder

SUPPORT_WEIGHT = 2.0
"""Of lacking support beside lacking fit: chosen on scenes that no figure is reported of (0038)."""
ALIKE = 16
"""Phrases that one is compared with: 8 and 32 did as well."""


class _References(NamedTuple):
    """Phrases to calibrate by."""

    measured: Measured
    of_images: Mapping[tuple[str, ...], list[int]]
    """Which of them are of these images."""


class Grounding:
    """Judges captions of one run against its images."""

    def __init__(
        self,
        run: RunFolder,
        encoder: TextEncoder,
        image_count: int,
        jobs: Sequence[Job],
        progress: Progress,
    ) -> None:
        self._run, self._encoder, self._progress = run, encoder, progress
        self._vectors = PhraseVectors(encoder)
        self._texts = PlannedTexts(run, jobs)
        self._sample = gather(run, [job.name for job in jobs], self._texts, image_count)
        self._columns = {key: at for at, key in enumerate(self._sample.other_keys)}
        self._shard: tuple[str, Vectors] = "", {}
        self._told: tuple[tuple[JobName, str] | None, dict[str, str]] = None, {}
        self._references: dict[JobName, _References | None] = {}
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
        if is_multi(job):
            measured = self._measure(job, captions, self._sample.vectors, {})
        else:
            measured = self._measure(job, captions, self._vectors_of(shard), self._told_in(job, shard))
        if measured is None:
            return [None] * len(captions)
        worst = np.full(len(captions), -1.0)
        np.maximum.at(worst, measured.captions, self._lacks(job, measured, captions))
        return [round(min(1.0, float(each)), 4) if each >= 0 else None for each in worst]

    def _measure(
        self,
        job: JobName,
        captions: Sequence[tuple[Sequence[str], str]],
        own: Vectors,
        told: Mapping[str, str],
    ) -> Measured | None:
        """``told``: what the other language says of the images of a job on single ones."""
        mine = language_of(job)
        other = other_language(mine)

        def said_of(key: str) -> tuple[str, Language] | None:
            if not is_multi(job):
                text = told.get(key)
                return (text, other) if text is not None and self._encoder.reads(other) else None
            for language in (other, mine):
                text = self._sample.singles.get((language, key))
                if text is not None and self._encoder.reads(language):
                    return text, language
            return None

        images = Images(own, self._sample.others, self._columns)
        return measure(captions, mine, images, said_of, self._vectors)

    def _lacks(
        self, job: JobName, measured: Measured, captions: Sequence[tuple[Sequence[str], str]]
    ) -> NDArray[np.float64]:
        """What each phrase lacks in fit and support beside phrases like it."""
        references = self._references_of(job)
        if references is None:
            return measured.fit
        theirs = references.measured
        places = np.arange(len(theirs.fit))
        lacks = np.zeros(len(measured.fit))
        for start, cosines in products(measured.vectors, theirs.vectors):
            # The same text again is as near: of those the first ones, whatever the last bits say.
            nearness = np.rint(cosines * 1e4).astype(np.int64) * len(places) - places
            for at, near in enumerate(nearness, start):
                own = references.of_images.get(tuple(captions[measured.captions[at]][0]), [])
                near[own] = np.iinfo(np.int64).min
                count = min(ALIKE, len(near) - len(own))
                alike = np.argpartition(near, len(near) - count)[-count:] if count else places[:0]
                lacks[at] = max(0.0, measured.fit[at] - _median(theirs.fit[alike]))
                support = _median(theirs.support[alike]) - measured.support[at]
                if support > 0:  # not where either is NaN
                    lacks[at] += SUPPORT_WEIGHT * support
        return lacks

    def _references_of(self, job: JobName) -> _References | None:
        if job not in self._references:
            captions = [(told.keys, told.text) for told in self._sample.references.get(job, [])]
            language = other_language(language_of(job))
            told = {key: text for (known, key), text in self._sample.singles.items() if known == language}
            measured = self._measure(job, captions, self._sample.vectors, told)
            of_images: dict[tuple[str, ...], list[int]] = {}
            if measured is not None:
                for at, number in enumerate(measured.captions.tolist()):
                    of_images.setdefault(tuple(captions[number][0]), []).append(at)
            self._references[job] = None if measured is None else _References(measured, of_images)
        return self._references[job]

    def _told_in(self, job: JobName, shard: str) -> dict[str, str]:
        """What the other language says of the images of ``shard``."""
        other: JobName = "single_zh" if job == "single_en" else "single_en"
        if self._told[0] != (other, shard):
            self._told = (other, shard), self._texts.told(other, shard)
        return self._told[1]

    def _vectors_of(self, shard: str) -> Vectors:
        if self._shard[0] != shard:
            self._shard = shard, shard_vectors(self._run, shard)
        return self._shard[1]


def other_language(language: Language) -> Language:
    """English for Chinese, and the other way round."""
    return "en" if language == "zh" else "zh"


def _median(values: NDArray[np.float64]) -> float:
    """Of those that are known; 0 of nothing."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
