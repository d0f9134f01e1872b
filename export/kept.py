"""The kept captions of a shard as rows, as cheaply as they can be made, and counted on the way.

Comes in: what a job plans in a shard, and the run that has its captions and verdicts. Goes out: JSON lines
in the order of the plan, in pieces of half a megabyte or so, and counts. Of each record only the fields that
a row or a count needs are decoded. Not its job: whether the counts add up (see runs.ledger), and whether
each journalled record is whole (the digest of the captions has read every one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress, islice, repeat
from typing import Any, TypeVar

import msgspec

from triptych import jobs
from triptych.export.config import FormatName
from triptych.export.formats import FORMATS
from triptych.export.prompt_text import answers, question
from triptych.records import ImageRecord, caption_id
from triptych.runs.folder import RunFolder
from triptych.runs.journal import read_whole_journal
from triptych.runs.ledger.old_captions import ShardCounts, ShardRecount
from triptych.runs.plan import Target

ROWS_A_PIECE = 512
"""Half a megabyte: encoded, handed over and hashed while it is in the processor's cache."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One file of rows to make."""

    job: jobs.Job
    prompt: str
    row_format: FormatName

    @property
    def name(self) -> str:
        return self.job.name


class _Caption(msgspec.Struct, frozen=True, gc=False):
    """Of a Caption, what a row and the counts need."""

    id: str
    text: str = ""
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


_S = TypeVar("_S")


def image_rows(
    run: RunFolder, job: Job, shard: str, images: Sequence[ImageRecord]
) -> Iterator[bytes | ShardDone]:
    """The rows of a job on single images, then what they came to."""
    ids = [caption_id(job.name, image.key) for image in images]
    row_format = FORMATS[job.row_format]
    asked = repeat(row_format.asked(question("one image", 1, job.prompt)))
    return _rows(run, job, shard, ids, images, asked, row_format.single_row)


def set_rows(run: RunFolder, job: Job, shard: str, targets: Sequence[Target]) -> Iterator[bytes | ShardDone]:
    """The rows of a job on sets, then what they came to."""
    ids = [target.id for target in targets]
    images = [target.images for target in targets]
    row_format = FORMATS[job.row_format]
    sizes = {len(shown) for shown in images}
    asked_of = {size: row_format.asked(question("several images", size, job.prompt)) for size in sizes}
    asked = [asked_of[len(shown)] for shown in images]
    return _rows(run, job, shard, ids, images, asked, row_format.multi_row)


def _rows(
    run: RunFolder,
    job: Job,
    shard: str,
    ids: Sequence[str],
    shown: Sequence[_S],
    asked: Iterable[object],
    make_row: Callable[[str, _S, Any, str], msgspec.Struct],
) -> Iterator[bytes | ShardDone]:
    """``shown`` is what the captions ``ids`` are on."""
    captions = read_whole_journal(run.captions_file(job.name, shard), _Caption)
    verdicts = read_whole_journal(run.verdicts_file(job.name, shard), _Verdict)
    recount = ShardRecount(shard, ids, captions, verdicts, all_judged=True)
    is_kept = recount.is_kept
    said, rewritten = answers([caption.text for caption in recount.kept])
    rows = map(make_row, compress(ids, is_kept), compress(shown, is_kept), compress(asked, is_kept), said)
    encoder = msgspec.json.Encoder()
    while piece := list(islice(rows, ROWS_A_PIECE)):
        yield encoder.encode_lines(piece)
    yield ShardDone(shard, recount.counts, rewritten)
