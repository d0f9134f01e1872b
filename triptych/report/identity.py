"""Identifies a run on the page: what made it, and with which settings.

Comes in: run.json, jobs, prompts. Goes out: the page's Identity, and the jobs with their labels. Absolute
paths are shortened to their last part, as in the manifest. Not its job: what the settings mean.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from triptych.export.manifest import fingerprints, shortened
from triptych.report.content import Beside, Identity, JobShown, PairShown, StageShown
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.stage_record import STAGE_NAMES, captioners

_HASH = "sha256:"


def identity_of(run: RunFolder, cautions: Sequence[str]) -> Identity:
    """``cautions`` are shown at the top of the page."""
    captions = run.run_file.stages.get("captions")
    engine = captions.settings.get("engine") if captions is not None else None
    return Identity(
        name=run.path.absolute().name,
        report=report_id(run),
        model=" and ".join(captioners(captions.settings) if captions else ()) or "no model yet",
        encoder=_encoder(run),
        engine=str(engine or "none yet"),
        cautions=list(cautions),
        versions=dict(run.run_file.versions),
        stages=[
            StageShown(
                name=name,
                finished=state.finished,
                settings=shortened(state.settings),
                inputs=dict(state.inputs),
                notes=dict(state.notes),
            )
            for name in STAGE_NAMES
            if (state := run.run_file.stages.get(name)) is not None
        ],
    )


def jobs_shown(context: RunContext) -> list[JobShown]:
    """The jobs of the run, each with a unique label."""
    times = Counter((job.subject, job.language) for job in context.jobs)
    shown = []
    for job in context.jobs:
        name = context.language(job).name or job.language
        is_alone = times[job.subject, job.language] == 1
        shown.append(
            JobShown(
                name=job.name,
                label=f"{'Multi' if job.is_multi else 'Single'} {name}" if is_alone else job.name,
                short_label=name if is_alone else job.name,
                language=job.language,
                language_name=name,
                is_multi=job.is_multi,
                prompt=context.prompts[job.name].text,
            )
        )
    return shown


def beside_of(here: RunContext, there: RunContext, pairs: list[PairShown]) -> Beside:
    """``pairs`` with the two runs' names; runs with the same name are called by their folders."""
    one, other = (identity_of(each.folder, ()) for each in (here, there))
    paths = (str(here.folder.path), str(there.folder.path))
    return Beside(
        names=(one.name, other.name) if one.name != other.name else paths,
        reports=(one.report, other.report),
        models=(one.model, other.model),
        prompts=[
            (name, here.prompts[name].text, there.prompts[name].text)
            for name in dict.fromkeys(pair.job for pair in pairs)
        ],
        pairs=pairs,
    )


def report_id(run: RunFolder) -> str:
    """12 hex digits over the settings and inputs of grouping, captioning and filtering.

    Two runs with the same images and settings share it; anything that leads to other sets, captions or rule
    verdicts changes it. People's verdicts don't, as they are on this report.
    """
    stages = {name: stage for name, stage in fingerprints(run).items() if name != "export"}
    for stage in stages.values():
        stage.inputs.pop("people", None)
    return hashlib.blake2b(msgspec.json.encode(stages, order="deterministic"), digest_size=6).hexdigest()


def _encoder(run: RunFolder) -> str:
    """The encoder that the embeddings stage recorded. For one recorded by its hash, the config has the
    name."""
    state = run.run_file.stages.get("embeddings")
    made_with = str(state.settings.get("encoder") or "") if state is not None else ""
    if _HASH not in made_with:
        return made_with or ("no model yet" if state is None else "not recorded")
    table = run.run_file.config.get("embedding")
    model = str((table.get("model") if isinstance(table, dict) else None) or "not recorded")
    return f"{_last(model)} ({_HASH}{made_with.partition(_HASH)[2][:8]})"


def _last(name: str) -> str:
    library, colon, path = name.rpartition(":")
    return library + colon + path.rstrip("/").rpartition("/")[2] if path.startswith(("/", ".", "~")) else name
