"""What a row says besides what its trainer documents, in runs that have more to say: columns at its end.

Comes in: a run whose config asks for contrast or varied sets, for several answers, or for repairs. Goes out:
row types with columns more, for any format of training rows, and what those hold. Other runs have rows as
trainers document them, and so have tools to look at captions with. Not its job: what kinds of sets there are
(see grouping.sets.kinds), repairing (see filtering.repaired).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Self

import msgspec

from triptych.export.formats.row_format import RowFormat
from triptych.jobs import Job
from triptych.records import Caption, SetKind, Verdict, target_of
from triptych.runs.folder import RunFolder
from triptych.runs.stage_record import Setting

Columns = tuple[tuple[str, type], ...]
"""Names and types."""

_OF_KINDS: Columns = (("kind", SetKind), ("odd_image", int))  # type: ignore[assignment]
"""Of which kind a row's set is, and the number of its odd image as prompts count them, from 1; 0: none is."""
_OF_REPAIRS: Columns = (("repaired", bool),)
"""Whether sentences that a checker denied were taken out."""
_OF_SAMPLES: Columns = (("agreement", float),)
"""How far several answers agreed of which the caption is one; 0 where no other was a text."""

_Settings = Mapping[str, Mapping[str, Setting]]


def has_kinds(sets_settings: Mapping[str, Setting]) -> bool:
    """Whether a run has sets of several kinds, by the settings of its stage ``sets``."""
    return bool(sets_settings.get("contrast_share") or sets_settings.get("varied_share"))


def columns_of(job: Job, row_format: RowFormat, settings: _Settings) -> Columns:
    """Those that rows of ``job`` have at their end, by the settings of each stage."""
    if row_format.speakers is None:
        return ()
    of_kinds = _OF_KINDS if job.is_multi and has_kinds(settings.get("sets", {})) else ()
    of_repairs = _OF_REPAIRS if settings.get("verdicts", {}).get("untrue") == "repair" else ()
    captions = settings.get("captions", {})
    is_sampled = captions.get("samples") or captions.get(f"samples_{job.name}")
    return of_kinds + of_repairs + (_OF_SAMPLES if is_sampled else ())


class RowMarks:
    """What rows have in some columns."""

    def __init__(self, columns: Columns, kinds: Mapping[str, tuple[SetKind, int]]) -> None:
        self._columns, self._kinds = columns, kinds

    @classmethod
    def of(cls, run: RunFolder, columns: Columns) -> Self:
        """Of a run, whose sets are read where ``columns`` say anything of them."""
        kinds = {
            each.id: (each.kind, each.keys.index(each.odd) + 1 if each.odd else 0)
            for each in (run.sets() if _OF_KINDS[0] in columns else ())
            if each.kind != "related"
        }
        return cls(columns, kinds)

    def on(self, verdict: Verdict, caption: Caption | None) -> dict[str, object]:
        """What the row of a caption has in each column."""
        kind, odd_image = self._kinds.get(target_of(verdict.id), ("related", 0))
        agreement = (caption.agreement if caption is not None else None) or 0.0
        known = {
            "kind": kind,
            "odd_image": odd_image,
            "repaired": verdict.is_repaired,
            "agreement": agreement,
        }
        return {name: known[name] for name, _ in self._columns}

    def in_row(self, row: msgspec.Struct) -> dict[str, object]:
        """What a row of a ``marked_type`` has there."""
        return {name: getattr(row, name) for name, _ in self._columns}


@functools.cache
def marked_type(row_type: type[msgspec.Struct], columns: Columns) -> type[msgspec.Struct]:
    """``row_type`` with ``columns`` at its end."""
    if not columns:
        return row_type
    return msgspec.defstruct(
        row_type.__name__,
        columns,
        bases=(row_type,),
        kw_only=True,
        frozen=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def marked(row: msgspec.Struct, columns: Columns, marks: Mapping[str, object]) -> msgspec.Struct:
    """``row`` with that said at its end."""
    return marked_type(type(row), columns)(**msgspec.structs.asdict(row), **marks) if columns else row
