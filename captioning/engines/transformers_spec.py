"""The EngineSpec ``transformers``: how the in-process engine is checked and opened.

Doesn't import transformers. Not its job: running a model (see transformers.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from triptych.captioning.engine import Engine
from triptych.captioning.engines import DoctorContext, EngineSpec, Finding, RequestLimits, Suitability
from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.models.location import locate
from triptych.extras import require


def _open(
    model: str, config: TransformersConfig, _: RequestLimits, _logs: Path, _say: Callable[[str], None]
) -> Engine:
    _check(model, config)
    from triptych.captioning.engines.transformers import TransformersEngine

    return TransformersEngine(model, config)


def _check(model: str, _config: TransformersConfig) -> None:
    require(
        "local",
        "torch",
        "transformers",
        what="captioning with --engine transformers",
        instead="name endpoints with --server URL",
    )
    locate(model)


def _findings(context: DoctorContext, _config: TransformersConfig) -> Iterator[Finding]:
    facts = context.facts
    if facts is not None and facts.needs_own_code:
        yield Finding(
            "architecture", "failed", f"{facts.architecture} needs its own code, which Triptych doesn't run",
            "use its Hugging Face format (a name that ends in -hf), or --engine lmdeploy",
        )  # fmt: skip


SPEC = EngineSpec(
    name="transformers",
    config=TransformersConfig,
    open=_open,
    check=_check,
    suitability=lambda _: Suitability(True, ""),
    fingerprint=lambda config: {"batch_size": config.batch_size},
    findings=_findings,
)
