"""Extra columns at the end of a row, besides those that its trainer documents.

Comes in: a run whose config asks for contrast or varied sets, for several answers, or for repairs. Goes out:
row types with further columns, for any format of training rows, and their values. Rows of other runs, and of
formats for viewing tools, have none. Not its job: kinds of sets (see grouping.sets.kinds), repairing (see
filtering.caption_repair).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import msgspec

from triptych.export.formats.row_format import RowFormat
from triptych.jobs import Job
from triptych.records import Caption, SetKind, Verdict, target_of
from triptych.runs.folder import RunFolder
from triptych.runs.stage_record import Setting

Columns = tuple[tuple[str, type], ...]
"""Names and types."""

_KIND_COLUMNS: Columns = (("kind", SetKind), ("odd_image", int))  # type: ignore[assignment]
"""The kind of a row's set, and the number of its odd image, counted from 1 as in prompts; 0: none."""
_REPAIR_COLUMNS: Columns = (("repaired", bool),)
"""Whether sentences that a checker denied were removed."""
_SAMPLE_COLUMNS: Columns = (("agreement", float),)
"""How much the caption agrees with the other answers; 0 without other answers."""

_Settings = Mapping[str, Mapping[str, Setting]]


def has_kinds(sets_settings: Mapping[str, Setting]) -> bool:
    """Whether a run has several kinds of sets, by the settings of its stage ``sets``."""
    return bool(sets_settings.get("contrast_share") or sets_settings.get("varied_share"))


def extra_columns(job: Job, row_format: RowFormat, settings: _Settings) -> Columns:
    """The extra columns of ``job``'s rows, by the settings of each stage."""
    if not row_format.trains:
        return ()
    of_kinds = _KIND_COLUMNS if job.is_multi and has_kinds(settings.get("sets", {})) else ()
    of_repairs = _REPAIR_COLUMNS if settings.get("verdicts", {}).get("untrue") == "repair" else ()
    captions = settings.get("captions", {})
    is_sampled = captions.get("samples") or captions.get(f"samples_{job.name}")
    return of_kinds + of_repairs + (_SAMPLE_COLUMNS if is_sampled else ())


class ExtraValues:
    """The values of extra columns in a run's rows."""

    def __init__(self, run: RunFolder, columns: Columns) -> None:
        """Reads the run's sets if ``columns`` need them."""
        self._columns = columns
        self._kinds: dict[str, tuple[SetKind, int]] = {
            each.id: (each.kind, each.keys.index(each.odd) + 1 if each.odd else 0)
            for each in (run.sets() if _KIND_COLUMNS[0] in columns else ())
            if each.kind != "related"
        }

    def of_caption(self, verdict: Verdict, caption: Caption | None) -> dict[str, object]:
        """The values that belong into a caption's row."""
        kind, odd_image = self._kinds.get(target_of(verdict.id), ("related", 0))
        values = {
            "kind": kind,
            "odd_image": odd_image,
            "repaired": verdict.is_repaired,
            "agreement": (caption.agreement if caption is not None else None) or 0.0,
        }
        return {name: values[name] for name, _ in self._columns}


@functools.cache
def type_with_columns(row_type: type[msgspec.Struct], columns: Columns) -> type[msgspec.Struct]:
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


def row_with_values(row: msgspec.Struct, columns: Columns, values: Mapping[str, object]) -> msgspec.Struct:
    """``row`` with ``values`` at its end."""
    return type_with_columns(type(row), columns)(**msgspec.structs.asdict(row), **values) if columns else row
