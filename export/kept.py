"""The kept captions of a shard as rows, as cheaply as they can be made.

Comes in: targets of a shard, and the run that has their captions and verdicts. Goes out: JSON lines in the
order of the targets. A caption's text is not decoded: its row repeats the journal's bytes. Not its job:
whether the counts add up (see corpus.ledger), which also is what reads every caption in full.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from corpus.journal import read_journal
from corpus.plan import Target
from corpus.records import JobName
from corpus.runfolder import RunFolder
from export.formats import layout_of
from export.row_format import RowFormat
from export.wording import answer_json, question_json


class _RawCaption(msgspec.Struct, frozen=True, gc=False):
    """Of a Caption, what a row needs."""

    id: str
    text: msgspec.Raw = msgspec.Raw(b'""')


class _KeepOrNot(msgspec.Struct, frozen=True, gc=False):
    """Of a Verdict, what a row needs."""

    id: str
    keep: bool


class Lines(msgspec.Struct, frozen=True, gc=False):
    """Rows as JSON lines, in one piece."""

    text: bytes
    rows: int
    rewritten: int
    """Of the captions in them, those whose text spelled a reserved tag."""

    @property
    def first(self) -> bytes:
        """The first of them, without its newline."""
        return self.text.partition(b"\n")[0]


def shard_lines(
    run: RunFolder, row_format: RowFormat, job: JobName, prompt: str, shard: str, targets: Sequence[Target]
) -> Lines:
    """The rows of one shard. Of several captions with one id the last counts."""
    verdicts = read_journal(run.verdicts_file(job, shard), _KeepOrNot)
    kept = {verdict.id for verdict in verdicts if verdict.keep}
    captions = read_journal(run.captions_file(job, shard), _RawCaption)
    texts = {caption.id: caption.text for caption in captions}
    layout, line = layout_of(job), row_format.line
    lines, rewritten = [], 0
    for target in targets:
        if target.id in kept and (text := texts.get(target.id)) is not None:
            answer, was_rewritten = answer_json(bytes(text))
            lines.append(line(layout, target, question_json(layout, len(target.images), prompt), answer))
            rewritten += was_rewritten
    return Lines(b"".join(lines), len(lines), rewritten)
