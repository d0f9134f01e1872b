"""The kept captions of a job, shard by shard, as cheaply as they can be read.

Comes in: a run folder. Goes out: targets in plan order, each with its caption's text as the JSON string
that the journal holds. Not its job: whether the counts add up (see corpus.ledger).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from corpus.journal import read_journal
from corpus.plan import Target, planned_targets
from corpus.records import JobName
from corpus.runfolder import RunFolder


class _RawCaption(msgspec.Struct, frozen=True, gc=False):
    """Of a Caption, what a row needs. The text is not decoded: a row repeats its bytes."""

    id: str
    text: msgspec.Raw = msgspec.Raw(b'""')


class _KeepOrNot(msgspec.Struct, frozen=True, gc=False):
    """Of a Verdict, what a row needs."""

    id: str
    keep: bool


def kept_captions(
    run: RunFolder, job: JobName, limit: int | None
) -> Iterator[tuple[str, list[tuple[Target, bytes]]]]:
    """``(shard, [(target, caption as a JSON string)])``. Of several captions of one id the last counts.

    One shard is in memory at a time.
    """
    for shard, targets in planned_targets(run, job, limit):
        verdicts = read_journal(run.verdicts_file(job, shard), _KeepOrNot)
        kept = {verdict.id for verdict in verdicts if verdict.keep}
        captions = read_journal(run.captions_file(job, shard), _RawCaption)
        texts = {caption.id: caption.text for caption in captions if caption.id in kept}
        yield shard, [(target, bytes(texts[target.id])) for target in targets if target.id in texts]
