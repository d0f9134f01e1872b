"""The kept captions of a shard as rows, as cheaply as they can be made, and counted on the way.

Comes in: what a job plans in a shard, and the run that has its captions and verdicts. Goes out: JSON lines
in the order of the plan, in pieces of a megabyte or so, and counts. A caption's text is not decoded: its row
repeats the journal's bytes. Not its job: whether the counts add up (see corpus.ledger), and whether each
journalled record is whole (the digest of the captions has read every one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress
from typing import TypeVar

import msgspec

from corpus.journal import read_whole_journal
from corpus.plan import Target
from corpus.records import ImageRecord, JobName, caption_id
from corpus.recount_captions import ShardCounts, ShardRecount
from corpus.runfolder import RunFolder
from export.config import FormatName
from export.formats import FORMATS, layout_of
from export.row_columns import MakeColumn, fill, image_columns, set_columns
from export.wording import answers_json, question_json

ROWS_A_PIECE = 1024
"""About a megabyte: joined, sent and hashed while it is in the processor's cache."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows to make."""

    name: JobName
    prompt: str
    limit: int | None
    row_format: FormatName


class _Caption(msgspec.Struct, frozen=True, gc=False):
    """Of a Caption, what a row and the counts need."""

    id: str
    text: msgspec.Raw = msgspec.Raw(b'""')
    failure: str | None = None


class _Verdict(msgspec.Struct, frozen=True, gc=False):
    """Of a Verdict, the same."""

    id: str
    keep: bool
    reason: str | None = None


class ShardDone(msgspec.Struct, frozen=True, gc=False):
    """What comes after the rows of a shard."""

    shard: str
    counts: ShardCounts
    rewritten: int
    """Of the captions in its rows, those whose text spelled a reserved tag."""


_S = TypeVar("_S", ImageRecord, Target)


def image_rows(
    run: RunFolder, job: Job, shard: str, images: Sequence[ImageRecord]
) -> Iterator[bytes | ShardDone]:
    """The rows of a job on single images, then what they came to."""
    ids = [caption_id(job.name, image.key) for image in images]
    # The id of a caption is its image's key behind a constant: one column less to make.
    template = _template(job).replace(b"$id", caption_id(job.name, "$image").encode())
    question = question_json("one image", 1, job.prompt)

    def columns(images: Sequence[ImageRecord]) -> Mapping[str, MakeColumn]:
        return {**image_columns(images), "question": lambda: question}

    return _rows(run, job, template, shard, ids, images, columns)


def set_rows(run: RunFolder, job: Job, shard: str, targets: Sequence[Target]) -> Iterator[bytes | ShardDone]:
    """The rows of a job on sets, then what they came to."""

    def columns(targets: Sequence[Target]) -> Mapping[str, MakeColumn]:
        questions = [question_json("several images", len(target.images), job.prompt) for target in targets]
        return {**set_columns(targets), "question": lambda: questions}

    ids = [target.id for target in targets]
    return _rows(run, job, _template(job), shard, ids, targets, columns)


def _template(job: Job) -> bytes:
    return FORMATS[job.row_format].template(layout_of(job.name))


def _rows(
    run: RunFolder,
    job: Job,
    template: bytes,
    shard: str,
    ids: Sequence[str],
    subjects: Sequence[_S],
    columns: Callable[[Sequence[_S]], Mapping[str, MakeColumn]],
) -> Iterator[bytes | ShardDone]:
    """``subjects`` are what the captions ``ids`` are on."""
    captions = read_whole_journal(run.captions_file(job.name, shard), _Caption)
    verdicts = read_whole_journal(run.verdicts_file(job.name, shard), _Verdict)
    recount = ShardRecount(shard, ids, captions, verdicts, all_judged=True)
    is_kept = [identifier in recount.kept for identifier in ids]
    texts = [recount.captions[identifier].text for identifier in compress(ids, is_kept)]
    kept = list(compress(subjects, is_kept))
    rewritten = 0
    for start in range(0, len(kept), ROWS_A_PIECE):
        piece = slice(start, start + ROWS_A_PIECE)
        answers, were_rewritten = answers_json(texts[piece])
        rewritten += were_rewritten
        yield fill(template, {"answer": answers}, columns(kept[piece]))
    yield ShardDone(shard, recount.counts, rewritten)
