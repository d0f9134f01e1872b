"""The cards of the page: sampled items with their pictures and captions, and why images were grouped.

Comes in: samples, located images, measured cosines. Goes out: the cards of each section. Explanations of sets
only state cosines, so they hold however the sets were made. Not its job: sampling (see samples), measuring
(see neighbours).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.scoring import Scorer
from triptych.jobs import Job
from triptych.records import Duplicate, ImageRecord, ImageSet, StatementCheck, target_of
from triptych.report.beside import Pair
from triptych.report.captions import caption_shown, marked
from triptych.report.content import (
    CaptionShown,
    DuplicateShown,
    LeftOut,
    PairShown,
    RejectedShown,
    RepeatedShown,
    RuleShown,
    SetShown,
    SingleShown,
)
from triptych.report.neighbours import LocatedImage, Nearness, Outsider
from triptych.report.rejected import Rejected, Repeated, texts_of
from triptych.report.samples import SampledCaptions
from triptych.report.sampling import Drawn
from triptych.report.thumbnails import Thumbnails
from triptych.runs.checks import denied_of, read_checks
from triptych.runs.context import RunContext
from triptych.runs.sampling import hash64


class Thresholds(NamedTuple):
    """The cosine similarities between which sets were made; None if not recorded."""

    related: float | None
    duplicate: float | None


class Cards:
    """Builds cards; registers each picture that a card shows with the thumbnails."""

    def __init__(
        self,
        context: RunContext,
        captions: SampledCaptions,
        images: Mapping[str, LocatedImage],
        thumbnails: Thumbnails,
        set_of: Mapping[str, str],
        scorer: Scorer | None,
    ) -> None:
        """``set_of``: the set of each image that is in one; ``scorer``: finds the words that rules object to;
        None: they aren't marked."""
        self._context, self._captions, self._set_of, self._scorer = context, captions, set_of, scorer
        self._images, self._thumbnails = images, thumbnails

    def sets(
        self,
        drawn: Sequence[Drawn[ImageSet]],
        nearness: Nearness,
        jobs: Sequence[Job],
        thresholds: Thresholds,
    ) -> list[SetShown]:
        """One card per set. ``nearness`` is in the order of ``drawn``; ``jobs`` are those on sets."""
        cards = []
        for number, (image_set, how) in enumerate(drawn):
            outsider, within = nearness.outsiders[number], nearness.within[number]
            cards.append(
                SetShown(
                    id=image_set.id,
                    how=how,
                    kind=image_set.kind,
                    pictures=self._pictures(image_set.keys),
                    cosine_similarities=matrix(within),
                    why_joined=[
                        "the odd one: unlike the others" if key == image_set.odd else why
                        for key, why in zip(image_set.keys, why_joined(within), strict=True)
                    ],
                    captions=[self._shown(job, image_set.id, len(image_set.keys)) for job in jobs],
                    left_out=None if outsider is None else self._left_out(outsider, thresholds),
                )
            )
        return cards

    def singles(self, jobs: Sequence[Job]) -> list[SingleShown]:
        """One card per image, with its caption in each of ``jobs``."""
        return [
            SingleShown(
                how=how,
                picture=self._picture(record),
                captions=[self._shown(job, record.key, 1) for job in jobs],
            )
            for record, how in self._captions.singles
            if record.key in self._images
        ]

    def rules(
        self, rules: Sequence[str], jobs: Sequence[Job], repeated: Mapping[str, Repeated]
    ) -> list[RuleShown]:
        """One section per rule, with captions that it rejected. ``repeated``: captions that others repeat, by
        id."""
        shard_of = {key: image.shard for key, image in self._images.items()}
        texts = texts_of(self._context, repeated, shard_of)
        return [
            RuleShown(
                rule=rule,
                jobs=self._captions.rule_counts.counts(rule, [job.name for job in jobs]),
                examples=[
                    RejectedShown(
                        how=how,
                        pictures=[self._picture(image) for image in rejected.target.images],
                        caption=marked(
                            caption_shown(rejected.job, rejected.caption, rejected.verdict),
                            self._scorer,
                            len(rejected.target.images),
                            self._denied(rejected),
                        ),
                        scores=rejected.verdict.scores,
                        repeats=self._repeated(rejected.verdict.repeats, repeated, texts),
                    )
                    for rejected, how in self._captions.rejected(rule)
                ],
            )
            for rule in rules
        ]

    def duplicates(self, drawn: Sequence[Drawn[Duplicate]]) -> list[DuplicateShown]:
        """One card per pair."""
        return [
            DuplicateShown(
                how=how,
                key=each.key,
                picture=self._thumbnails.number_of(self._images[each.key]),
                kept=self._thumbnails.number_of(self._images[each.of]),
                reason=each.reason,
                cosine_similarity=each.cosine_similarity,
            )
            for each, how in drawn
            if each.key in self._images and each.of in self._images
        ]

    def _denied(self, rejected: Rejected) -> list[StatementCheck]:
        """The statements that a checker denied. A caption belongs to the shard of its first image."""
        if "untrue" not in rejected.verdict.scores:
            return []
        shard = self._images[rejected.target.images[0].key].shard
        checks = read_checks(self._context.folder, rejected.job.name, shard)
        return denied_of(checks.get(rejected.caption.id, ()), rejected.caption, rejected.target)

    def pairs(self, pairs: Sequence[Pair]) -> list[PairShown]:
        """One card per pair; which side shows which run depends on a hash of the target's id."""
        shown = []
        for job, target, here, there in pairs:
            swapped = hash64(target.id) % 2 == 1
            shown.append(
                PairShown(
                    job=job.name,
                    key=target_of(target.id),
                    pictures=self._pictures([image.key for image in target.images]),
                    texts=(there, here) if swapped else (here, there),
                    swapped=swapped,
                )
            )
        return shown

    def _shown(self, job: Job, target: str, image_count: int) -> CaptionShown:
        return marked(self._captions.shown(job, target), self._scorer, image_count)

    def _repeated(
        self, identifier: str | None, repeated: Mapping[str, Repeated], texts: Mapping[str, str]
    ) -> RepeatedShown | None:
        if identifier is None or identifier not in texts:
            return None
        job, keys = repeated[identifier]
        return RepeatedShown(
            id=identifier,
            language=job.language,
            pictures=self._pictures([key for key in keys if key in self._images]),
            text=texts[identifier],
        )

    def _left_out(self, outsider: Outsider, thresholds: Thresholds) -> LeftOut:
        return LeftOut(
            picture=self._thumbnails.number_of(outsider.image),
            why=why_left_out(outsider, thresholds, self._set_of.get(outsider.image.record.key)),
        )

    def _picture(self, record: ImageRecord) -> int:
        return self._thumbnails.number_of(self._images[record.key])

    def _pictures(self, keys: Sequence[str]) -> list[int]:
        return [self._thumbnails.number_of(self._images[key]) for key in keys]


def why_joined(cosines: NDArray[np.float32]) -> list[str]:
    """One line per image, from ``float32[n, n]``, in the order in which a set grows from its closest pair.

    The next image is always the one whose smallest cosine to those before is largest.
    """
    count = len(cosines)
    lines = [""] * count
    if count < 2:
        return lines
    pairs = np.where(np.triu(np.ones((count, count), bool), k=1), cosines, -np.inf)
    first, second = map(int, np.unravel_index(int(np.argmax(pairs)), pairs.shape))
    lines[first] = f"closest pair, with {second + 1}: {cosines[first, second]:.3f}"
    lines[second] = f"closest pair, with {first + 1}: {cosines[first, second]:.3f}"
    members = [first, second]
    while len(members) < count:
        rest = [at for at in range(count) if at not in members]
        joins = max(rest, key=lambda at: (float(cosines[at, members].min()), -at))
        weakest = min(members, key=lambda at: (float(cosines[joins, at]), at))
        lines[joins] = f"at least {cosines[joins, weakest]:.3f} to those before (weakest to {weakest + 1})"
        members.append(joins)
    return lines


def why_left_out(outsider: Outsider, thresholds: Thresholds, own_set: str | None) -> str:
    """One line. ``own_set`` is the set that the image is in, if any."""
    weakest, closest = float(outsider.cosines.min()), float(outsider.cosines.max())
    related, duplicate = thresholds
    at = int(outsider.cosines.argmin()) + 1
    home = f"; it is in {own_set}" if own_set else ""
    if related is not None and weakest < related:
        return f"{weakest:.3f} to image {at}, below {related:g}, where related images begin{home}"
    if duplicate is not None and closest >= duplicate:
        return f"{closest:.3f} to image {int(outsider.cosines.argmax()) + 1}, as near as a duplicate{home}"
    return f"at least {weakest:.3f} to every image: related to all, and in {own_set or 'no set'}"


def matrix(cosines: NDArray[np.float32]) -> list[list[float]]:
    """Rows for the page, rounded to three digits; the diagonal is exactly 1."""
    rounded = np.round(cosines.astype(np.float64), 3)
    np.fill_diagonal(rounded, 1.0)
    return [[float(value) for value in row] for row in rounded]
