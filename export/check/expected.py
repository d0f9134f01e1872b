"""What each row of an export has to say, from the run it was made from.

Comes in: a run folder. Goes out: the kept captions in the order of the verdicts, with the keys and sizes
of their images. It goes its own way through the run, not that of the plan and the rows, so that a fault
there shows. One shard is in memory at a time, and the sets. Not its job: comparing (see rows).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from triptych.export.conversation_text import without_reserved_words
from triptych.jobs import Job
from triptych.languages import without_invisible
from triptych.prompts import message_parts
from triptych.records import Caption, Verdict, content_of, target_of
from triptych.runs.folder import RunFolder


class Shown(NamedTuple):
    """What the run says of a readable image."""

    width_px: int
    height_px: int
    content_hash: str


class ExpectedRow(msgspec.Struct, frozen=True, gc=False):
    """One kept caption. ``images`` maps keys, in order, to what is known of them; None: not readable."""

    id: str
    images: dict[str, Shown | None]
    question: tuple[str | None, ...]
    """Its parts: words, or None where an image stands."""
    answer: str
    verdict: Verdict
    caption: Caption | None


def expected_rows(run: RunFolder, job: Job, prompt: str) -> Iterator[ExpectedRow]:
    """Every kept caption of ``job``, shard by shard."""
    asked = without_reserved_words(prompt)
    sets, set_sizes = _sets_with_sizes(run) if job.is_multi else ({}, {})
    of_sets = _contents_of_sets(run, job) if job.is_multi else {}
    for shard in run.shards():
        kept = {each.id: each for each in run.verdicts(job.name, shard) if each.keep}
        if not kept:
            continue
        sizes = set_sizes if job.is_multi else _sizes(run, shard)
        shown = of_sets if job.is_multi else _contents(run, shard)
        captions = {
            caption.id: caption
            for caption in run.captions(job.name, shard)
            if caption.content in ("", shown.get(target_of(caption.id)))
        }
        for identifier, verdict in kept.items():
            target = target_of(identifier)
            keys = sets.get(target, ()) if job.is_multi else (target,)
            caption = captions.get(identifier)
            text = verdict.text or (caption.text if caption is not None else "")
            yield ExpectedRow(
                identifier,
                {key: sizes.get(key) for key in keys},
                tuple(message_parts(asked, len(keys))),
                without_reserved_words(without_invisible(text)),
                verdict,
                caption,
            )


def _contents_of_sets(run: RunFolder, job: Job) -> dict[str, str]:
    """What a caption of each set is to have been made of: its images, and what was said of them, if told."""
    contents = {image_set.id: image_set.content for image_set in run.sets()}
    base = run.captions_base(job.name)
    if base is None:
        return contents
    said: dict[str, str] = {}
    for shard in run.shards():
        shown = _contents(run, shard)
        for caption in run.captions(base, shard):
            key = target_of(caption.id)
            if caption.failure is None and caption.content in ("", shown.get(key)):
                said[key] = hashlib.blake2b(caption.text.encode(), digest_size=8).hexdigest()
    for image_set in run.sets():
        if told := content_of([said.get(key, "") for key in image_set.keys]):
            contents[image_set.id] += f"/{told}"
    return contents


def _contents(run: RunFolder, shard: str) -> dict[str, str]:
    """What a caption of each image is to have been made of."""
    return {
        image.key: content_of([image.content_hash]) for image in run.images(shard) if image.unreadable is None
    }


def _sizes(run: RunFolder, shard: str) -> dict[str, Shown]:
    return {
        image.key: Shown(image.width_px, image.height_px, image.content_hash)
        for image in run.images(shard)
        if image.unreadable is None
    }


def _sets_with_sizes(run: RunFolder) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, Shown]]:
    """The keys of each set, and what is known of all images in sets."""
    sets = {image_set.id: image_set.keys for image_set in run.sets()}
    members = {key for keys in sets.values() for key in keys}
    sizes = {
        image.key: Shown(image.width_px, image.height_px, image.content_hash)
        for image in run.all_images()
        if image.key in members and image.unreadable is None
    }
    return sets, sizes
