"""Sends requests to an endpoint that follows a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.scripted_endpoint import Reply, Script, ScriptedEndpoint, well
from triptych.captioning.engine import CaptionRequest, Completion, Sampling
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.tiling import trial_jpeg

REQUEST = CaptionRequest(
    id="single_en:a.jpg",
    prompt="Describe the image.",
    images=(trial_jpeg(56),),
    max_tokens=40,
    sampling=Sampling(temperature=0.7, top_k=20, top_p=0.9, repetition_penalty=1.05, seed=7),
)


def ask(
    endpoint: ScriptedEndpoint,
    model: str = "",
    said: list[str] | None = None,
    request: CaptionRequest = REQUEST,
    **settings: Any,
) -> Completion:
    """The completion of one request. Messages of the engine are appended to ``said``."""
    config = ServerConfig(urls=(endpoint.url,), **settings)
    limits = RequestLimits(max_attempts=1, patience_s=2.0)
    engine = ServerEngine(config, model, limits, (said if said is not None else []).append)
    try:
        return engine.caption([request])[0]
    finally:
        engine.close()


def ask_in_turn(
    endpoint: ScriptedEndpoint, *requests: CaptionRequest, said: list[str] | None = None
) -> list[Completion]:
    """The completions of requests, sent one after another by the same engine."""
    engine = ServerEngine(
        ServerConfig(urls=(endpoint.url,)),
        limits=RequestLimits(max_attempts=3, patience_s=2.0),
        say=(said if said is not None else []).append,
        first_pause_s=0.01,
    )
    try:
        return [engine.caption([request])[0] for request in requests]
    finally:
        engine.close()


def unless(is_fine: Callable[[dict[str, Any]], bool], refusal: Callable[[dict[str, Any]], Reply]) -> Script:
    """A script that answers a request if its body ``is_fine``, and refuses it otherwise."""
    return lambda asked: well(asked) if is_fine(asked.body) else refusal(asked.body)
