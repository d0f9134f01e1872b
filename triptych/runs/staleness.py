"""Which finished stages are stale: made from inputs that have changed since.

Comes in: a run folder. Goes out: why a stage is stale, in words; whether a job's current captions are judged.
Reads only run.json, sizes of journals and people's verdicts, so it is cheap enough for `triptych status`. Not
its job: finding damage (see triptych.verify).
"""

from __future__ import annotations

import shlex
from pathlib import Path

from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import sha256_of
from triptych.runs.stage_record import STAGE_NAMES, StageName, is_export, with_verb


def stale_reason(folder: RunFolder, stage: StageName) -> str | None:
    """Why ``stage`` is stale; None if it isn't, or hasn't finished."""
    state = folder.run_file.stages.get(stage)
    if state is None or not state.finished:
        return None
    for read, digest in state.inputs.items():
        writer, left = folder.left_by(read)
        if writer is not None and left != digest:
            return f"{read} were made again since"
    changed = sorted(job for job, mark in state.made_of.items() if mark != folder.captions_mark(job))
    changed += sorted(folder.run_file.generations.keys() - state.made_of.keys()) if state.made_of else []
    if changed:
        return f"captions of {', '.join(changed)} have changed since"
    if stage == "verdicts" and _peoples_verdicts_changed(folder, state.inputs.get("people")):
        return "people's verdicts have changed since"
    before = _stage_before(stage)
    if before is not None and before in folder.run_file.stages:
        if not folder.is_finished(before):
            return f"{with_verb(before, 'are')} not finished"
        return stale_reason(folder, before) and f"{with_verb(before, 'are')} stale"
    return None


def stale_stages(folder: RunFolder) -> dict[StageName, str]:
    """The stale stages, with the reason."""
    reasons = {stage: stale_reason(folder, stage) for stage in folder.every_stage}
    return {stage: why for stage, why in reasons.items() if why is not None}


def makes_again(stage: StageName, run: Path) -> str:
    """The end of a message: which command makes ``stage`` of ``run`` again."""
    return f"{maker_of(stage, run)} makes {'it' if is_export(stage) else 'them'} again"


def maker_of(stage: StageName, run: Path) -> str:
    """The command that makes ``stage`` of ``run``, in backticks."""
    return "`triptych run`" if stage in STAGE_NAMES else f"`{command_of(stage, run)}`"


def command_of(stage: StageName, run: Path) -> str:
    """The command line that makes ``stage`` of ``run``."""
    folder = shlex.quote(str(run))
    match stage:
        case "embeddings" | "sets":
            return f"triptych group SOURCE... --out {folder}"
        case "captions":
            return f"triptych caption {folder}"
        case "verdicts":
            return f"triptych filter {folder}"
        case "export":
            return f"triptych export {folder}"
        case _:
            return f"triptych export {folder} --to {stage.rpartition('/')[2]}"


def _peoples_verdicts_changed(folder: RunFolder, digest: str | None) -> bool:
    """Whether the configured file of people's verdicts no longer has ``digest``; False if unreadable."""
    filtering = folder.run_file.config.get("filtering")
    path = filtering.get("verdicts") if isinstance(filtering, dict) else None
    if not path:
        return digest is not None
    try:
        return sha256_of(Path(str(path))) != digest
    except OSError:
        return False


def _stage_before(stage: StageName) -> StageName | None:
    if stage not in STAGE_NAMES:  # an export with a name of its own
        return "verdicts"
    return STAGE_NAMES[STAGE_NAMES.index(stage) - 1] if stage != STAGE_NAMES[0] else None


def is_judged(folder: RunFolder, job: str) -> bool:
    """Whether the verdicts are finished and on the current captions of ``job``."""
    state = folder.run_file.stages.get("verdicts")
    if state is None or not state.finished:
        return False
    if not state.made_of and job not in folder.run_file.generations:
        return True
    return state.made_of.get(job) == folder.captions_mark(job)
