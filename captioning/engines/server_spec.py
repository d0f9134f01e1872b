"""OpenAI-compatible endpoints, as they are checked and examined.

Comes in: a ServerConfig. Goes out: the EngineSpec of the engine that asks them. Not its job: asking (see
openai_server).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from triptych.captioning.engine import CaptionRequest, Engine
from triptych.captioning.engines import EngineSpec, Examined, Finding, RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError

PROBE_TOKENS = 8
PROBE_TIMEOUT_S = 60.0
"""For eight tokens: a loaded server answers late, but not that late."""


def _open(
    model: str, config: ServerConfig, limits: RequestLimits, _logs: Path, _say: Callable[[str], None]
) -> Engine:
    from triptych.captioning.engines.openai_server import ServerEngine

    return ServerEngine(config, model, limits)


def _check(model: str, config: ServerConfig) -> None:
    from triptych.captioning.engines.openai_server import ServerEngine

    ServerEngine(config, model).close()


def _findings(examined: Examined, config: ServerConfig) -> Iterator[Finding]:
    for url in config.urls:
        try:
            yield Finding("endpoint", "ok", _try(url, examined, config))
        except SetupError as error:
            yield Finding("endpoint", "failed", str(error))


def _try(url: str, examined: Examined, config: ServerConfig) -> str:
    """Send one image of one tile through the engine that a run uses, and say what came back.

    Raises SetupError where no caption did.
    """
    from triptych.captioning.engines.openai_server import ServerEngine
    from triptych.captioning.tiling import trial_jpeg

    size = f"{examined.tile_px} x {examined.tile_px}"
    request = CaptionRequest(
        id="doctor",
        prompt="Describe the image in a few words.",
        images=(trial_jpeg(examined.tile_px),),
        max_tokens=PROBE_TOKENS,
    )
    limits = RequestLimits(max_attempts=1, timeout_s=PROBE_TIMEOUT_S, patience_s=PROBE_TIMEOUT_S)
    engine = ServerEngine(msgspec.structs.replace(config, urls=(url,)), examined.model, limits)
    try:
        began = time.monotonic()
        completion = engine.caption([request])[0]
        took_s = time.monotonic() - began
    finally:
        engine.close()
    if completion.failure is not None:
        raise SetupError(f"{url} refused an image of {size} ({completion.failure})")
    if not completion.text.strip():
        raise SetupError(f"{url} answered an image of {size} with no text")
    return (
        f"{url} serves {engine.identity['served_model']}; an image, {completion.prompt_tokens} tokens with"
        f" its prompt, came back as {completion.completion_tokens} tokens in {took_s:.1f} s"
    )


SPEC = EngineSpec(
    name="server",
    config=ServerConfig,
    open=_open,
    check=_check,
    needs_model=False,
    holds_form=True,
    findings=_findings,
)
