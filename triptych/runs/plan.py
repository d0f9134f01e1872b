"""What each job has to caption, what was captioned, and which verdicts there are: in the order of the plan.

Comes in: a run folder, a job. Goes out: targets, shard by shard, with their captions and verdicts. A job on
images covers every readable image that isn't a duplicate, in the order in which files were found; a job on
sets covers every set, filed under the shard of its first image, in the order of that image's key.

Journals are in the order in which answers came, and may hold captions of images and sets that are no longer
planned. Nothing may depend on either, so captions are read here and nowhere else. Not its job: making
captions or judging them.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import repeat
from typing import NamedTuple

import msgspec

from triptych.jobs import Job
from triptych.records import Caption, ImageRecord, Verdict, caption_id, content_of
from triptych.runs.folder import RunFolder
from triptych.runs.grouped_images import GroupedImages
from triptych.runs.journal import read_journal
from triptych.runs.sampling import hash64, last_of_smallest


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One caption to make. ``images`` are in the order in which the model sees them."""

    id: str
    images: tuple[ImageRecord, ...]
    told: str = ""
    """A digest of the captions of its images that the prompt is told."""

    @property
    def content(self) -> str:
        """What its images show (see content_of), and what the prompt is told of them."""
        shown = content_of([image.content_hash for image in self.images])
        return f"{shown}/{self.told}" if self.told else shown

    def is_captioned_by(self, caption: Caption) -> bool:
        """Whether ``caption``, which has its id, is on what its images show, and the model was told, now."""
        return not caption.content or caption.content == self.content


class Planned(msgspec.Struct, frozen=True, gc=False):
    """A target and what became of it so far."""

    target: Target
    caption: Caption | None
    """Of several in the journal the last. Its ``failure`` is set where there is no text."""
    verdict: Verdict | None = None
    """None also where verdicts were not asked for."""

    @property
    def is_captioned(self) -> bool:
        """Whether there is a text."""
        return self.caption is not None and self.caption.failure is None

    @property
    def text(self) -> str:
        """The caption's, or in its place a person's or what a repair left; empty where there is none."""
        if self.verdict is not None and self.verdict.text:
            return self.verdict.text
        return self.caption.text if self.caption is not None else ""

    @property
    def is_kept(self) -> bool:
        """Whether there is a text that the filter kept."""
        verdict = self.verdict
        return verdict is not None and verdict.keep and verdict.reason is None and self.is_captioned


class PlannedShard(NamedTuple):
    """What a job plans in one shard, and what its files hold that can't be: ids, once for each time."""

    name: str
    planned: list[Planned]
    repeated_captions: list[str]
    repeated_verdicts: list[str]
    stray_verdicts: list[str]
    """On what isn't planned, or has no text."""


class JobPlan:
    """The targets of one job of a run, for any shard by itself.

    With a limit, those are kept whose ids have the smallest hashes, over all shards: so the choice depends on
    nothing else, and a larger limit keeps what a smaller one chose. ``last_hash`` is the largest of them;
    give it to spare a second process from reading the whole plan, and ``grouped`` to spare a second job from
    reading duplicates and sets.
    """

    def __init__(
        self, folder: RunFolder, job: Job, last_hash: int | None = None, grouped: GroupedImages | None = None
    ) -> None:
        self.folder, self.job = folder, job
        self._last_hash = last_hash
        self._counts: dict[str, int] = {}
        """Of a plan with a limit, by shard."""
        self._grouped = grouped or GroupedImages(folder)

    @cached_property
    def last_hash(self) -> int | None:
        """The largest hash of an id that the limit lets through; None: all."""
        if self.job.limit is None or self._last_hash is not None:
            return self._last_hash
        by_shard = {shard: array("Q", map(hash64, self._ids(shard))) for shard in self.folder.shards()}
        last = last_of_smallest(array("Q", b"".join(by_shard.values())), self.job.limit)
        self._counts = {shard: sum(each <= last for each in hashes) for shard, hashes in by_shard.items()}
        return last

    def count(self, shard: str) -> int:
        """How much is planned in ``shard``. Not of a plan that was given its ``last_hash``."""
        if self.last_hash is not None:
            return self._counts[shard]
        return len(self._grouped.set_ids(shard)) if self.job.is_multi else self._grouped.image_count(shard)

    def targets(self, shard: str) -> list[Target]:
        """What is planned in ``shard``."""
        last_hash, targets = self.last_hash, self._all_targets(shard)
        return targets if last_hash is None else [each for each in targets if hash64(each.id) <= last_hash]

    def read(self, shard: str, *, verdicts: bool = False) -> list[Planned]:
        """What is planned in ``shard``, with captions and, where asked for, verdicts."""
        return self.read_shard(shard, verdicts=verdicts).planned

    def read_shard(self, shard: str, *, verdicts: bool = True) -> PlannedShard:
        """What is planned in ``shard``, and what its files hold besides: for those who check them."""
        targets = self.targets(shard)
        if not targets:
            return PlannedShard(shard, [], [], [], [])
        captions = read_journal(self.folder.captions_file(self.job.name, shard), Caption)
        by_id = {target.id: target for target in targets}
        captions = [each for each in captions if each.id not in by_id or by_id[each.id].is_captioned_by(each)]
        caption_of = {each.id: each for each in captions}
        captioned = [caption_of.get(target.id) for target in targets]
        judged = list(self.folder.verdicts(self.job.name, shard)) if verdicts else []
        verdict_of = {each.id: each for each in judged}
        verdict_on = [verdict_of.get(target.id) for target in targets] if judged else repeat(None)
        planned = list(map(Planned, targets, captioned, verdict_on))
        return PlannedShard(
            shard,
            planned,
            repeated_captions=_repeated(captions, caption_of.keys()),
            repeated_verdicts=_repeated(judged, verdict_of.keys()),
            stray_verdicts=_stray(planned, verdict_of.keys()),
        )

    def shards(self) -> Iterator[tuple[str, list[Target]]]:
        """``(shard, targets)`` for every shard that has any, in order."""
        for shard in self.folder.shards():
            if targets := self.targets(shard):
                yield shard, targets

    def read_all(self, *, verdicts: bool = False) -> Iterator[tuple[str, list[Planned]]]:
        """``(shard, planned)`` for every shard that has any, in order. One shard is in memory at a time."""
        for shard in self.folder.shards():
            if planned := self.read(shard, verdicts=verdicts):
                yield shard, planned

    def _ids(self, shard: str) -> Iterator[str]:
        """Without regard to the limit."""
        grouped = self._grouped
        found = grouped.set_ids(shard) if self.job.is_multi else grouped.image_keys(shard)
        return (caption_id(self.job.name, each) for each in found)

    @cached_property
    def _texts_told(self) -> dict[str, str]:
        """By image, a digest of its caption in the job that the prompt builds on. Whether it was rejected
        doesn't matter: verdicts come later, and make no caption of a set another."""
        base = self.folder.captions_base(self.job.name)
        if base is None:
            return {}
        members = self._grouped.members
        on_images = msgspec.structs.replace(
            self.job, name=base, subject="image", limit=None, structured=False
        )
        plan = JobPlan(self.folder, on_images, grouped=self._grouped)
        captioned = ((each.target.images[0].key, each.caption) for _, s in plan.read_all() for each in s)
        return {
            key: hashlib.blake2b(caption.text.encode(), digest_size=8).hexdigest()
            for key, caption in captioned
            if key in members and caption is not None and caption.failure is None
        }

    def _all_targets(self, shard: str) -> list[Target]:
        """Without regard to the limit."""
        if self.job.is_multi:
            told = self._texts_told
            return [
                Target(
                    id=caption_id(self.job.name, identifier),
                    images=images,
                    told=content_of([told.get(image.key, "") for image in images]) if told else "",
                )
                for identifier, images in self._grouped.sets(shard)
            ]
        return [
            Target(id=caption_id(self.job.name, image.key), images=(image,))
            for image in self._grouped.images(shard)
        ]


def _repeated(records: Sequence[Caption | Verdict], ids: Collection[str]) -> list[str]:
    """Each id as often as it comes too many times."""
    if len(records) == len(ids):
        return []
    times = Counter(record.id for record in records)
    return [identifier for identifier, n in times.items() for _ in range(n - 1)]


def _stray(planned: Sequence[Planned], judged: Collection[str]) -> list[str]:
    """Of the ids ``judged``, those that have no text in the plan."""
    matched = sum(each.verdict is not None and each.is_captioned for each in planned)
    if matched == len(judged):
        return []
    return sorted(set(judged) - {each.target.id for each in planned if each.is_captioned})
