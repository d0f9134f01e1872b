"""The stage ``export``: the kept captions as files to train on.

Comes in: images, sets, captions and verdicts of a run. Goes out: ``export/`` with a JSONL file a job,
InternVL's meta JSON, the dataset card and the manifest; all of it or none of it, the same bytes for
the same run however often it was interrupted. Not its job: writing them (see build).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from corpus.captioned import PlanLimits, captions_digest
from corpus.errors import SetupError
from corpus.ledger import Ledger, take_stock
from corpus.progress import Progress
from corpus.records import JobName
from corpus.runfolder import RunFolder, Setting
from export.build import Build
from export.config import ExportConfig

DATA_VERSION = 1
"""Raise it when the same captions and settings would give other bytes."""

_READ = ("images", "sets.jsonl", "duplicates.jsonl", "verdicts")


def export_run(
    run: RunFolder,
    config: ExportConfig,
    prompts: Mapping[JobName, str],
    plan_limits: PlanLimits,
    jobs: Sequence[JobName],
    progress: Progress,
) -> bool:
    """Write ``export/`` for ``jobs``. Returns False if that was done already.

    ``prompts`` are the words that the captions of each job answer. A job without any kept caption
    still gets its file, with no rows. Raises SetupError where the verdicts aren't finished, the
    ledger doesn't close, or the export was made with other settings.
    """
    if not run.is_finished("verdicts"):
        raise SetupError(
            f"the captions of {run.path} are not filtered yet, so they can't be exported;"
            f" run `triptych filter {run.path}` first"
        )
    asked = {job: prompts[job] for job in jobs}
    settings: dict[str, Setting] = {"data_version": DATA_VERSION, **msgspec.structs.asdict(config)}
    # A run that plans no caption at all has no verdicts.
    read = [name for name in _READ if (run.path / name).exists()]
    inputs = {
        "images, sets, verdicts": run.digest(*read),
        "captions": captions_digest(run, jobs, plan_limits),
        "prompts": hashlib.sha256(msgspec.json.encode(asked)).hexdigest(),
        "jobs": ",".join(jobs),
    }
    if not run.begin_stage("export", settings, inputs):
        return False
    ledger = _closed_ledger(run, jobs, plan_limits)
    Build(run, config, asked, plan_limits, progress).all_files(ledger)
    run.finish_stage("export")
    return True


def _closed_ledger(run: RunFolder, jobs: Sequence[JobName], plan_limits: PlanLimits) -> Ledger:
    ledger = take_stock(run, jobs, plan_limits)
    offences = ledger.offences()
    if offences:
        raise SetupError(
            f"the counts of {run.path} don't add up, so nothing was exported: {offences[0]}"
            f" ({len(offences)} in all; `triptych verify {run.path}` lists them)"
        )
    return ledger
