"""Captions of a run as a table, for pandas, Arrow and ``datasets``.

Comes in: a plan with captions and verdicts. Goes out: a pyarrow Table. Not its job: rows of a trainer (see
export).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from triptych.errors import SetupError
from triptych.runs.plan import Planned

if TYPE_CHECKING:
    import pyarrow

ROWS_A_BATCH = 4096
"""Held as Python objects at a time; the rest lies in Arrow's arrays."""


def captions_table(planned: Iterable[Planned]) -> pyarrow.Table:
    """One row a caption: id, images (keys), widths_px, heights_px, text, finish_reason, kept, reason.

    ``kept`` and ``reason`` are null where no verdict was made. Raises SetupError where pyarrow is missing.
    """
    try:
        import pyarrow as arrow
    except ImportError:
        raise SetupError("pyarrow is not installed; `pip install 'triptych[arrow]'` installs it") from None
    schema = arrow.schema(
        [
            ("id", arrow.string()),
            ("images", arrow.list_(arrow.string())),
            ("widths_px", arrow.list_(arrow.int32())),
            ("heights_px", arrow.list_(arrow.int32())),
            ("text", arrow.string()),
            ("finish_reason", arrow.string()),
            ("kept", arrow.bool_()),
            ("reason", arrow.string()),
        ]
    )
    rows = map(_row, planned)
    batches = iter(lambda: list(islice(rows, ROWS_A_BATCH)), [])
    return arrow.Table.from_batches(
        (arrow.RecordBatch.from_pylist(batch, schema=schema) for batch in batches), schema=schema
    )


def _row(planned: Planned) -> dict[str, Any]:
    target, caption, verdict = planned.target, planned.caption, planned.verdict
    return {
        "id": target.id,
        "images": [image.key for image in target.images],
        "widths_px": [image.width_px for image in target.images],
        "heights_px": [image.height_px for image in target.images],
        "text": caption.text if caption is not None else None,
        "finish_reason": caption.finish_reason if caption is not None else None,
        "kept": verdict.keep if verdict is not None else None,
        "reason": verdict.reason if verdict is not None else None,
    }
