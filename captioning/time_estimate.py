"""The line before captioning begins: which engine, why, and how long it may take.

Comes in: an engine, what the stage noted of earlier calls, what is missing. Goes out: one line. The time
comes from captions that this run folder's own set-up made before; where there are none it is unknown, and
the line says how to find out. Not its job: measuring (see stage).
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.captioning.engine import Engine
from triptych.runs.folder import Setting


def opening_line(engine: Engine, why: str, notes: Mapping[str, Setting], missing: Mapping[str, int]) -> str:
    """Engine, reason and expected time."""
    reason = f" ({why})" if why else ""
    return f"captions: {engine.describe()}{reason}; {expected_time(notes, missing)}"


def expected_time(notes: Mapping[str, Setting], missing: Mapping[str, int]) -> str:
    """How long what each job misses will take, at the rates that ``notes`` have of it."""
    missing = {job: count for job, count in missing.items() if count}
    rates = {job: rate for job in missing if (rate := _captions_per_s(notes, job)) is not None}
    total = sum(missing.values())
    known_s = sum(missing[job] / rate for job, rate in rates.items())
    unknown = [job for job in missing if job not in rates]
    measured = ", ".join(f"{job} {rate:.3g}/s" for job, rate in rates.items())
    if not rates:
        return f"{total:,} captions to make, time unknown until measured: try --sample 50 first"
    known = sum(missing[job] for job in rates)
    line = f"about {_duration(known_s)} for {known:,} captions, as fast as so far in this run ({measured})"
    if unknown:
        line += f"; unknown for {total - known:,} of {', '.join(unknown)}"
    return line


def _captions_per_s(notes: Mapping[str, Setting], job: str) -> float | None:
    made, seconds = notes.get(f"{job}.made"), notes.get(f"{job}.seconds")
    if isinstance(made, int) and isinstance(seconds, int | float) and made > 0 and seconds > 0:
        return made / seconds
    return None


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
