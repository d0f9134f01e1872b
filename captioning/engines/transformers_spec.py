"""The in-process engine, as it is set and checked. Doesn't import transformers.

Comes in: the table ``captioning.transformers`` of a config. Goes out: a checked, frozen TransformersConfig,
and the EngineSpec. Not its job: running a model (see transformers).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.engines import EngineSpec, Examined, Fit, check_setting
from triptych.captioning.models.location import locate
from triptych.findings import Finding

_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class TransformersConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model in this process. Raises UsageError where a value can't be."""

    batch_size: int = 16
    """Captions generated together. Rounding depends on it, so it can't change within a run."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N. auto takes a GPU where there is one."""

    def __post_init__(self) -> None:
        check_setting(self.batch_size >= 1, "transformers.batch_size", self.batch_size, "1 or more")
        is_device = _DEVICE.fullmatch(self.device) is not None
        check_setting(is_device, "transformers.device", self.device, "auto, cpu, cuda or cuda:N")


def _open(model: str, config: TransformersConfig, _logs: Path, _say: Callable[[str], None]) -> Engine:
    from triptych.captioning.engines.transformers import TransformersEngine

    return TransformersEngine(model, config)


def _check(model: str, _config: TransformersConfig) -> None:
    locate(model)


def _findings(examined: Examined, _config: TransformersConfig) -> Iterator[Finding]:
    facts = examined.facts
    if facts is not None and facts.needs_own_code:
        yield Finding(
            "architecture", "failed", f"{facts.architecture} runs code of its own, which Triptych doesn't",
            "take its Hugging Face format (a name that ends in -hf), or --engine lmdeploy",
        )  # fmt: skip


SPEC = EngineSpec(
    name="transformers",
    config=TransformersConfig,
    open=_open,
    check=_check,
    fit=lambda _: Fit(True, ""),
    fingerprint=lambda config: {"batch_size": config.batch_size},
    findings=_findings,
)
