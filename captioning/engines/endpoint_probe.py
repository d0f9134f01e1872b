"""Whether an endpoint captions: one small image is sent through the very engine that a run uses.

Comes in: a URL, a model's name. Goes out: what it answered, or why not, in one line. Not its job: load,
speed, quality.
"""

from __future__ import annotations

import time

import msgspec
from PIL import Image

from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.tiling import resized_jpeg
from triptych.errors import SetupError

MAX_TOKENS = 8
ANSWER_TIMEOUT_S = 60.0
"""For eight tokens: a loaded server answers late, but not that late."""


class EndpointAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that captioned."""

    served_model: str
    completion: Completion
    seconds: float


def try_endpoint(config: ServerConfig, url: str, model: str, tile_px: int) -> EndpointAnswer:
    """Send one image of one tile. Raises SetupError where no caption came back."""
    alone = msgspec.structs.replace(
        config,
        urls=(url,),
        max_attempts=1,
        timeout_s=ANSWER_TIMEOUT_S,
        patience_s=ANSWER_TIMEOUT_S,
    )
    engine = ServerEngine(alone, model)
    try:
        began = time.monotonic()
        completion = engine.caption([_request(tile_px)])[0]
        seconds = time.monotonic() - began
    finally:
        engine.close()
    if completion.failure is not None:
        raise SetupError(f"{url} refused an image of {tile_px} x {tile_px} ({completion.failure})")
    if not completion.text.strip():
        raise SetupError(f"{url} answered an image of {tile_px} x {tile_px} with no text")
    return EndpointAnswer(
        served_model=engine.identity["served_model"], completion=completion, seconds=seconds
    )


def _request(tile_px: int) -> CaptionRequest:
    gradient = Image.linear_gradient("L").convert("RGB")
    return CaptionRequest(
        id="doctor",
        prompt="Describe the image in a few words.",
        images=(resized_jpeg(gradient, (tile_px, tile_px)),),
        max_tokens=MAX_TOKENS,
    )
