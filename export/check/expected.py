"""Derives the expected content of an export's rows from the run.

Comes in: a run folder. Goes out: the kept captions in the order of the verdicts, with their
images. Shares no code with the plan and the rows, so that it finds faults there. One shard is in memory
at a time, and the sets. Not its job: comparing (see export).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from triptych.export.conversation_text import without_reserved_words
from triptych.jobs import Job
from triptych.languages import without_invisible
from triptych.records import Caption, ImageRecord, Verdict, content_of, target_of
from triptych.runs.folder import RunFolder


class ExpectedRow(msgspec.Struct, frozen=True, gc=False):
    """One kept caption. ``images`` are in order; one that isn't readable is ``unreadable``."""

    id: str
    images: tuple[ImageRecord, ...]
    answer: str
    verdict: Verdict
    caption: Caption | None


def expected_rows(run: RunFolder, job: Job) -> Iterator[ExpectedRow]:
    """Every kept caption of ``job``, shard by shard."""
    sets = {image_set.id: image_set.keys for image_set in run.sets()} if job.is_multi else {}
    members = {key for keys in sets.values() for key in keys}
    images = _readable(image for image in run.all_images() if image.key in members) if job.is_multi else {}
    contents = _contents_of_sets(run, job) if job.is_multi else {}
    for shard in run.shards():
        kept = {each.id: each for each in run.verdicts(job.name, shard) if each.keep}
        if not kept:
            continue
        if not job.is_multi:
            images = _readable(run.images(shard))
            contents = _contents_of_images(images)
        captions = {
            caption.id: caption
            for caption in run.captions(job.name, shard)
            if caption.content in ("", contents.get(target_of(caption.id)))
        }
        for identifier, verdict in kept.items():
            target = target_of(identifier)
            keys = sets.get(target, ()) if job.is_multi else (target,)
            caption = captions.get(identifier)
            text = verdict.text or (caption.text if caption is not None else "")
            yield ExpectedRow(
                identifier,
                tuple(images.get(key) or ImageRecord(key=key, unreadable="not in the run") for key in keys),
                without_reserved_words(without_invisible(text)),
                verdict,
                caption,
            )


def _contents_of_sets(run: RunFolder, job: Job) -> dict[str, str]:
    """The ``content`` that a valid caption of each set has: its images, and their captions if the prompt has
    them."""
    contents = {image_set.id: image_set.content for image_set in run.sets()}
    base = run.captions_base(job.name)
    if base is None:
        return contents
    digests: dict[str, str] = {}
    for shard in run.shards():
        of_images = _contents_of_images(_readable(run.images(shard)))
        for caption in run.captions(base, shard):
            key = target_of(caption.id)
            if caption.failure is None and caption.content in ("", of_images.get(key)):
                digests[key] = hashlib.blake2b(caption.text.encode(), digest_size=8).hexdigest()
    for image_set in run.sets():
        if of_captions := content_of([digests.get(key, "") for key in image_set.keys]):
            contents[image_set.id] += f"/{of_captions}"
    return contents


def _contents_of_images(images: Mapping[str, ImageRecord]) -> dict[str, str]:
    """The ``content`` that a valid caption of each image has."""
    return {key: content_of([image.content_hash]) for key, image in images.items()}


def _readable(images: Iterable[ImageRecord]) -> dict[str, ImageRecord]:
    return {image.key: image for image in images if image.unreadable is None}
