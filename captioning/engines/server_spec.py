"""The EngineSpec ``server``: how OpenAI-compatible endpoints are checked and opened.

Not its job: sending requests (see openai_server).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from triptych.captioning.engine import Engine
from triptych.captioning.engines import DoctorContext, EngineSpec, Finding, RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError

PROBE_TIMEOUT_S = 60.0
"""For a few tokens. A loaded server answers late, but not that late."""

PROBE_LIMITS = RequestLimits(
    first_token_timeout_s=PROBE_TIMEOUT_S, timeout_s=PROBE_TIMEOUT_S, patience_s=PROBE_TIMEOUT_S
)


def _open(
    model: str, config: ServerConfig, limits: RequestLimits, _logs: Path, say: Callable[[str], None]
) -> Engine:
    from triptych.captioning.engines.openai_server import ServerEngine

    return ServerEngine(config, model, limits, say)


def _check(model: str, config: ServerConfig) -> None:
    _probe(model, config, 1, lambda _: None)


def _probe(
    model: str, config: ServerConfig, image_count: int, say: Callable[[str], None]
) -> Mapping[str, str]:
    from triptych.captioning.engines.openai_server import ServerEngine

    with contextlib.closing(ServerEngine(config, model, PROBE_LIMITS, say)) as engine:
        for count in range(1, image_count + 1):
            engine.probe(count)
        images = "one image" if image_count == 1 else f"{image_count} images"
        say(f"captions: tested with {images} a request: {engine.describe()}")
        return engine.identity


def _findings(context: DoctorContext, config: ServerConfig) -> Iterator[Finding]:
    for url in config.urls:
        try:
            yield Finding("endpoint", "ok", _test_endpoint(url, context, config))
        except SetupError as error:
            yield Finding("endpoint", "failed", str(error))


def _test_endpoint(url: str, context: DoctorContext, config: ServerConfig) -> str:
    """Request a caption of one tile through the engine that a run uses, and describe the answer. Raises
    SetupError without a caption."""
    from triptych.captioning.endpoints.model_client import no_text
    from triptych.captioning.engines.openai_server import ServerEngine

    said: list[str] = []
    one = msgspec.structs.replace(config, urls=(url,))
    with contextlib.closing(ServerEngine(one, context.model, PROBE_LIMITS, said.append)) as engine:
        began = time.monotonic()
        answer = engine.probe(side_px=context.tile_px)[0]
        took_s = time.monotonic() - began
        takes_sets = "two images a request too"
        try:
            engine.probe(2)
        except SetupError as error:
            takes_sets = f"no sets, since two images were refused: {error}"
    if not answer.text.strip():
        raise SetupError(f"{engine.endpoints[0].url} answered an image {no_text(answer)}")
    left_out = "".join(f"; {line.partition(': ')[2]}" for line in said)
    return (
        f"{url} serves {engine.identity['served_model']}; an image, {answer.prompt_tokens} tokens with"
        f" its prompt, came back as {answer.completion_tokens} tokens in {took_s:.1f} s{left_out}"
        f"; it takes {takes_sets}"
    )


def _fingerprint(config: ServerConfig) -> dict[str, str]:
    extra = config.extra_body
    return {"extra_body": msgspec.json.encode(extra, order="sorted").decode()} if extra else {}


SPEC = EngineSpec(
    name="server",
    config=ServerConfig,
    open=_open,
    check=_check,
    probe=_probe,
    needs_model=False,
    holds_form=True,
    fingerprint=_fingerprint,
    findings=_findings,
)
