"""Cards for the page: what was drawn, with its pictures and captions beside it.

Comes in: samples, places, measured cosines. Goes out: the cards of each section. Not its job: drawing
samples (see groups, captions), measuring (see nearness).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from triptych.jobs import Job
from triptych.records import Duplicate, ImageRecord, ImageSet, language_of
from triptych.report.captions import CaptionReader, caption_shown
from triptych.report.content import (
    DuplicateShown,
    LeftOut,
    RejectedShown,
    RepeatedShown,
    RuleShown,
    SetShown,
    SingleShown,
)
from triptych.report.nearness import Nearness, Outsider
from triptych.report.places import Place
from triptych.report.sampling import Drawn
from triptych.report.sheets import matrix, why_joined, why_left_out
from triptych.report.thumbnails import Thumbnails
from triptych.report.twins import job_of, texts_of
from triptych.runs.folder import RunFolder

Band = tuple[float | None, float | None]
"""Related and duplicate cosine similarity."""


class Assembly:
    """Puts cards together; every picture that a card names is asked of the thumbnails."""

    def __init__(
        self, run: RunFolder, reader: CaptionReader, places: Mapping[str, Place], thumbnails: Thumbnails
    ) -> None:
        self._run, self._reader, self._places, self._thumbnails = run, reader, places, thumbnails

    def sets(
        self,
        drawn: Sequence[Drawn[ImageSet]],
        places: Sequence[Sequence[Place]],
        nearness: Nearness,
        jobs: Sequence[Job],
        band: Band,
    ) -> list[SetShown]:
        """One card a set. ``places`` and ``nearness`` are in the order of ``drawn``."""
        homes = self._homes([found for found in nearness.outsiders if found is not None])
        cards = []
        for at, (image_set, how) in enumerate(drawn):
            outsider = nearness.outsiders[at]
            cards.append(
                SetShown(
                    id=image_set.id,
                    how=how,
                    pictures=[self._thumbnails.place_of(place) for place in places[at]],
                    cosine_similarities=matrix(nearness.within[at]),
                    why_joined=why_joined(nearness.within[at]),
                    captions=[self._reader.shown(job, image_set.id) for job in jobs],
                    left_out=self._left_out(outsider, band, homes) if outsider is not None else None,
                )
            )
        return cards

    def singles(self, jobs: Sequence[Job]) -> list[SingleShown]:
        """One card an image, with its caption in each of ``jobs``."""
        return [
            SingleShown(
                how=how,
                picture=self._picture(record),
                captions=[self._reader.shown(job, record.key) for job in jobs],
            )
            for record, how in self._reader.singles
            if record.key in self._places
        ]

    def rules(
        self, rules: Sequence[str], jobs: Sequence[Job], twins: Mapping[str, tuple[str, ...]]
    ) -> list[RuleShown]:
        """One section a rule, with what it dropped. ``twins``: image keys of captions that others repeat."""
        by_name = {job.name: job for job in jobs}
        texts = texts_of(self._run, twins, self._places)
        return [
            RuleShown(
                rule=rule,
                jobs=self._reader.tallies.counts(rule, [job.name for job in jobs]),
                examples=[
                    RejectedShown(
                        how=how,
                        pictures=[self._picture(image) for image in rejected.target.images],
                        caption=caption_shown(
                            by_name[rejected.caption.job], rejected.caption, rejected.verdict
                        ),
                        scores=rejected.verdict.scores,
                        repeats=self._repeated(rejected.verdict.repeats, twins, texts),
                    )
                    for rejected, how in self._reader.rejected(rule)
                ],
            )
            for rule in rules
        ]

    def _repeated(
        self, identifier: str | None, twins: Mapping[str, tuple[str, ...]], texts: Mapping[str, str]
    ) -> RepeatedShown | None:
        if identifier is None or identifier not in texts:
            return None
        keys = [key for key in twins[identifier] if key in self._places]
        return RepeatedShown(
            id=identifier,
            language=language_of(job_of(identifier)),
            pictures=[self._thumbnails.place_of(self._places[key]) for key in keys],
            text=texts[identifier],
        )

    def duplicates(self, drawn: Sequence[Drawn[Duplicate]]) -> list[DuplicateShown]:
        """One card a pair."""
        return [
            DuplicateShown(
                how=how,
                key=each.key,
                picture=self._thumbnails.place_of(self._places[each.key]),
                stays=self._thumbnails.place_of(self._places[each.of]),
                reason=each.reason,
                cosine_similarity=each.cosine_similarity,
            )
            for each, how in drawn
            if each.key in self._places and each.of in self._places
        ]

    def _left_out(self, outsider: Outsider, band: Band, homes: Mapping[str, str]) -> LeftOut:
        return LeftOut(
            picture=self._thumbnails.place_of(outsider.place),
            min_cosine_similarity=round(float(outsider.cosines.min()), 3),
            weakest_member=int(outsider.cosines.argmin()),
            why=why_left_out(outsider, *band, homes.get(outsider.place.record.key)),
        )

    def _homes(self, outsiders: Sequence[Outsider]) -> dict[str, str]:
        """The set that each outsider is in, where it is in one."""
        keys = {outsider.place.record.key for outsider in outsiders}
        return {key: each.id for each in self._run.sets() for key in each.keys if key in keys}

    def _picture(self, record: ImageRecord) -> int:
        return self._thumbnails.place_of(self._places[record.key])
