"""The plan of a job: what it captions, in a fixed order, with the captions and verdicts so far.

Comes in: a run folder, a job. Goes out: targets, shard by shard, with their captions and verdicts. A job on
images covers every readable image that is neither a duplicate nor screened out, in the order of the files; a
job on sets covers every set, in the shard of its first image, in the order of that image's key.

Journals are in the order in which answers came, and may have captions of images and sets that are no longer
planned. Nothing may depend on either, so captions are read only here. Not its job: making captions or judging
them.
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
    quoted: str = ""
    """A digest of the captions of its images that the prompt quotes; empty if it quotes none."""

    @property
    def content(self) -> str:
        """A digest of its images (see content_of) and of the captions that the prompt quotes."""
        shown = content_of([image.content_hash for image in self.images])
        return f"{shown}/{self.quoted}" if self.quoted else shown

    def is_captioned_by(self, caption: Caption) -> bool:
        """Whether ``caption``, which has its id, was made from the current content."""
        return not caption.content or caption.content == self.content


class Planned(msgspec.Struct, frozen=True, gc=False):
    """A target with its caption and verdict so far."""

    target: Target
    caption: Caption | None
    """The last of several in the journal. Without a text, its ``failure`` is set."""
    verdict: Verdict | None = None
    """Also None if verdicts weren't read."""

    @property
    def is_captioned(self) -> bool:
        """Whether there is a caption that didn't fail."""
        return self.caption is not None and self.caption.failure is None

    @property
    def text(self) -> str:
        """The caption's text, or its correction by a person or a repair; empty if there is none."""
        if self.verdict is not None and self.verdict.text:
            return self.verdict.text
        return self.caption.text if self.caption is not None else ""

    @property
    def is_kept(self) -> bool:
        """Whether there is a caption that the filter kept."""
        verdict = self.verdict
        return verdict is not None and verdict.keep and verdict.reason is None and self.is_captioned


class PlannedShard(NamedTuple):
    """What a job plans in one shard, and ids in its files that shouldn't be there, once for each time."""

    name: str
    planned: list[Planned]
    repeated_captions: list[str]
    repeated_verdicts: list[str]
    stray_verdicts: list[str]
    """Verdicts on targets that aren't planned or captioned."""


class JobPlan:
    """The targets of one job of a run, for each shard independently.

    A limit keeps the ids with the smallest hashes over all shards: so the choice depends on nothing else, and
    a larger limit includes what a smaller one chose. ``last_hash`` is the largest of these hashes; pass it so
    that another process needn't read the whole plan, and ``grouped`` so that another job needn't read
    duplicates and sets.
    """

    def __init__(
        self, folder: RunFolder, job: Job, last_hash: int | None = None, grouped: GroupedImages | None = None
    ) -> None:
        self.folder, self.job = folder, job
        self._last_hash = last_hash
        self._counts: dict[str, int] = {}
        """With a limit: the number of targets, by shard."""
        self._grouped = grouped or GroupedImages(folder)

    @cached_property
    def last_hash(self) -> int | None:
        """The largest hash of an id within the limit; None: there is no limit."""
        if self.job.limit is None or self._last_hash is not None:
            return self._last_hash
        by_shard = {shard: array("Q", map(hash64, self._ids(shard))) for shard in self.folder.shards()}
        last = last_of_smallest(array("Q", b"".join(by_shard.values())), self.job.limit)
        self._counts = {shard: sum(each <= last for each in hashes) for shard, hashes in by_shard.items()}
        return last

    def count(self, shard: str) -> int:
        """The number of targets in ``shard``. Not for a plan that was given its ``last_hash``."""
        if self.last_hash is not None:
            return self._counts[shard]
        return len(self._grouped.set_ids(shard)) if self.job.is_multi else self._grouped.image_count(shard)

    def targets(self, shard: str) -> list[Target]:
        """The targets in ``shard``."""
        last_hash, targets = self.last_hash, self._all_targets(shard)
        return targets if last_hash is None else [each for each in targets if hash64(each.id) <= last_hash]

    def read(self, shard: str, *, verdicts: bool = False) -> list[Planned]:
        """The targets in ``shard`` with their captions and, if requested, verdicts."""
        return self.read_shard(shard, verdicts=verdicts).planned

    def read_shard(self, shard: str, *, verdicts: bool = True) -> PlannedShard:
        """The same, with what shouldn't be in the shard's files, for checks."""
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
        """The ids of all targets in ``shard``, ignoring the limit."""
        found = self._grouped.set_ids(shard) if self.job.is_multi else self._grouped.image_keys(shard)
        return (caption_id(self.job.name, each) for each in found)

    @cached_property
    def _quoted_texts(self) -> dict[str, str]:
        """By image, a digest of its caption that prompts of this job quote. Rejected captions are included:
        prompts quote captions before they are judged."""
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
        """All targets in ``shard``, ignoring the limit."""
        if self.job.is_multi:
            texts = self._quoted_texts
            return [
                Target(
                    id=caption_id(self.job.name, identifier),
                    images=images,
                    quoted=content_of([texts.get(image.key, "") for image in images]) if texts else "",
                )
                for identifier, images in self._grouped.sets(shard)
            ]
        return [
            Target(id=caption_id(self.job.name, image.key), images=(image,))
            for image in self._grouped.images(shard)
        ]


def _repeated(records: Sequence[Caption | Verdict], ids: Collection[str]) -> list[str]:
    """Each id that occurs more than once, once for each repetition."""
    if len(records) == len(ids):
        return []
    times = Counter(record.id for record in records)
    return [identifier for identifier, n in times.items() for _ in range(n - 1)]


def _stray(planned: Sequence[Planned], judged: Collection[str]) -> list[str]:
    """The ids in ``judged`` that have no caption in the plan."""
    matched = sum(each.verdict is not None and each.is_captioned for each in planned)
    if matched == len(judged):
        return []
    return sorted(set(judged) - {each.target.id for each in planned if each.is_captioned})
