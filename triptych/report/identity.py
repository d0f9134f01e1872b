"""Which run it is: what made it, under which settings, and what to be careful about.

Comes in: run.json, the prompts. Goes out: the page's Identity. Absolute paths are shortened to their
last name, as in the manifest. Not its job: what the settings mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from triptych.export.manifest import fingerprints, shortened
from triptych.records import JobName
from triptych.report.content import Identity, StageShown
from triptych.runs.folder import STAGE_NAMES, RunFolder


def identity_of(run: RunFolder, prompts: Mapping[JobName, str], cautions: Sequence[str]) -> Identity:
    """``prompts`` of the jobs that were done; ``cautions`` are shown at the top of the page."""
    config = run.run_file.config
    captioning, embedding = _table(config, "captioning"), _table(config, "embedding")
    encoder = _last(str(embedding.get("model") or "not recorded"))
    pretrained = embedding.get("pretrained")
    if pretrained and "/" not in encoder and ":" not in encoder:
        encoder += f" ({_last(str(pretrained))})"
    captions = run.run_file.stages.get("captions")
    engine = captions.settings.get("engine") if captions is not None else None
    return Identity(
        name=run.path.absolute().name,
        report=report_id(run),
        model=_last(str(captioning.get("model") or "named by its server" if captions else "none yet")),
        encoder=encoder,
        engine=str(engine or "none yet"),
        cautions=list(cautions),
        versions=dict(run.run_file.versions),
        prompts=dict(prompts),
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


def report_id(run: RunFolder) -> str:
    """12 hex digits over the settings and inputs of grouping, captioning and filtering.

    Two runs of the same images and settings share it; anything that gives other sets, captions or
    verdicts changes it.
    """
    stages = {name: stage for name, stage in fingerprints(run).items() if name != "export"}
    return hashlib.blake2b(msgspec.json.encode(stages, order="deterministic"), digest_size=6).hexdigest()


def _table(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    table = config.get(name)
    return table if isinstance(table, dict) else {}


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name
