"""The ledger as text: a funnel that a person can read at a glance.

Comes in: a Ledger, stage states. Goes out: lines. Not its job: counting (see corpus.ledger).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from triptych.runs.folder import STAGE_NAMES

if TYPE_CHECKING:
    from triptych.pipeline import Pipeline
    from triptych.runs.ledger import Ledger

_LABEL_WIDTH = 30
_SHOWN_ELSEWHERE = (
    *(".limit", ".planned", ".captioned", ".failed"),
    *(".made", ".failed_requests", ".seconds", ".prompt_tokens", ".completion_tokens", ".retried"),
    *(".asked_again", ".slot_s", ".slots", ".latencies"),
)
"""Notes of the captions stage that the funnel has recounted, and those that the pace is read off."""


def funnel_lines(ledger: Ledger) -> Iterator[str]:
    """Images, then each job, every count with its breakdown."""
    images = ledger.images
    yield _line("images found", images.found)
    yield _line("  unreadable", _total(images.unreadable), images.unreadable)
    yield _line("  duplicates", _total(images.duplicates), images.duplicates)
    yield _line("  in sets", images.in_sets, None if images.sets is None else {"sets": images.sets})
    yield _line("  single", images.single)
    for job, counts in ledger.jobs.items():
        yield _line(f"{job} planned", counts.planned)
        if counts.pending:
            yield _line("  still to caption", counts.pending)
        yield _line("  captioned", counts.captioned)
        yield _line("  failed", _total(counts.failed), counts.failed)
        yield _line("  kept", counts.kept)
        yield _line("  dropped", _total(counts.dropped), counts.dropped)


def stage_lines(pipeline: Pipeline) -> Iterator[str]:
    """Each stage: finished, begun or not begun; below it what it noted that isn't in the funnel."""
    for name in STAGE_NAMES:
        state = pipeline.folder.run_file.stages.get(name)
        if state is None:
            yield f"{name:<{_LABEL_WIDTH}} not begun"
            continue
        yield f"{name:<{_LABEL_WIDTH}} {'finished' if state.finished else 'begun'}"
        for key, value in state.notes.items():
            if not key.endswith(_SHOWN_ELSEWHERE):
                yield f"  {key:<{_LABEL_WIDTH - 2}} {value}"


def _line(label: str, count: int | None, parts: Mapping[str, int] | None = None) -> str:
    shown = "-" if count is None else f"{count:,}"
    details = ", ".join(f"{name} {number:,}" for name, number in parts.items()) if parts else ""
    return f"{label:<{_LABEL_WIDTH}} {shown:>12}{'   ' + details if details else ''}"


def _total(parts: Mapping[str, int] | None) -> int | None:
    return None if parts is None else sum(parts.values())
