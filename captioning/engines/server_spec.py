"""OpenAI-compatible endpoints, as they are checked and examined.

Comes in: a ServerConfig. Goes out: the EngineSpec of the engine that asks them. Not its job: asking (see
openai_server).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from triptych.captioning.engine import Engine
from triptych.captioning.engines import EngineSpec, Examined
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError
from triptych.findings import Finding


def _open(model: str, config: ServerConfig, _logs: Path, _say: Callable[[str], None]) -> Engine:
    from triptych.captioning.engines.openai_server import ServerEngine

    return ServerEngine(config, model)


def _check(model: str, config: ServerConfig) -> None:
    from triptych.captioning.engines.openai_server import ServerEngine

    ServerEngine(config, model).close()


def _findings(examined: Examined, config: ServerConfig) -> Iterator[Finding]:
    from triptych.captioning.engines.endpoint_probe import try_endpoint

    for url in config.urls:
        try:
            answer = try_endpoint(config, url, examined.model, examined.tile_px)
        except SetupError as error:
            yield Finding("endpoint", "failed", str(error))
            continue
        yield Finding(
            "endpoint", "ok",
            f"{url} serves {answer.served_model}; an image, {answer.completion.prompt_tokens} tokens with its"
            f" prompt, came back as {answer.completion.completion_tokens} tokens in {answer.seconds:.1f} s",
        )  # fmt: skip


SPEC = EngineSpec(
    name="server",
    config=ServerConfig,
    open=_open,
    check=_check,
    needs_model=False,
    holds_form=True,
    findings=_findings,
)
