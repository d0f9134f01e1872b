"""How fast the run was, from its recorded durations and the modification times of its journals.

Comes in: stage notes, the times of the journal files. Goes out: the page's Throughput. A caption has no time
of its own, but a journal's modification time is that of its last caption, which gives a curve with one point
per shard. If those times don't fit the recorded durations (as in a copied folder), there is no curve, and the
page says so. Not its job: progress of a run at work.
"""

from __future__ import annotations

from collections.abc import Mapping

from triptych.report.content import Throughput, TimedStage
from triptych.runs.canaries import canary_lines
from triptych.runs.folder import RunFolder
from triptych.runs.stage_record import Setting
from triptych.workers import worker_lines, worker_states

MAX_POINTS = 400
MIN_SPAN_SHARE = 0.3
"""Of the recorded duration. The first point is a finished shard, so the curve is always shorter."""


def throughput_of(run: RunFolder, made: Mapping[tuple[str, str], int]) -> Throughput:
    """``made``: captions by job and shard."""
    stages = _stages(run)
    recorded_s = sum(stage.seconds for stage in stages if stage.unit == "captions")
    points = _points(run, made)
    if len(points) < 3:
        points, note = [], "Fewer than three shards were captioned: no curve."
    elif points[-1][0] - points[0][0] < MIN_SPAN_SHARE * recorded_s:
        points, note = (
            [],
            "The journals' times don't fit the recorded durations, as in a copied folder: no curve.",
        )
    else:
        every = -(-len(points) // MAX_POINTS)
        points = [*points[:-1:every], points[-1]]
        note = "One point a shard, at the time its journal was last written, since the sets were made."
    canaries = (f"canary of {line}" for line in canary_lines(run.path))
    workers = [*worker_lines(worker_states(run.path), ended=True), *canaries]
    return Throughput(stages=stages, points=points, note=note, workers=workers)


def _stages(run: RunFolder) -> list[TimedStage]:
    found: list[TimedStage] = []
    states = run.run_file.stages
    for name, counted, unit in (("embeddings", "found", "images"), ("sets", "sets", "sets")):
        notes = states[name].notes if name in states else {}
        _add(found, name, notes.get("took_s"), notes.get(counted), unit)
    notes = states["captions"].notes if "captions" in states else {}
    for job in [key.removesuffix(".seconds") for key in notes if key.endswith(".seconds")]:
        _add(found, job, notes.get(f"{job}.seconds"), notes.get(f"{job}.made"), "captions")
    return found


def _add(stages: list[TimedStage], name: str, seconds: Setting, count: Setting, unit: str) -> None:
    if isinstance(seconds, int | float) and isinstance(count, int):
        stages.append(TimedStage(name=name, seconds=float(seconds), count=count, unit=unit))


def _points(run: RunFolder, made: Mapping[tuple[str, str], int]) -> list[tuple[float, int, str]]:
    if not made:
        return []
    began = run.sets_file.stat().st_mtime
    written = sorted(
        (run.captions_file(job, shard).stat().st_mtime, job, count) for (job, shard), count in made.items()
    )
    points: list[tuple[float, int, str]] = []
    total = 0
    for at, job, count in written:
        total += count
        points.append((round(max(0.0, at - began), 1), total, job))
    return points
