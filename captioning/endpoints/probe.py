"""One short request with pictures of our own, to learn what an endpoint takes and to tell whose fault it is.

Comes in: an endpoint, a model, a number of images. Goes out: its answer, its dialect grown by what it doesn't
take; or the error that says why it takes nothing. Where it refuses a trial too, no image is to blame. Not its
job: what is done about it (see engines.openai_server).
"""

from __future__ import annotations

from triptych.captioning.endpoints.chat_api import ChatAnswer
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.http_client import HttpClient, TimeLimits
from triptych.captioning.endpoints.request_errors import Refused, Transient
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.thinking import THINKING_OFF
from triptych.captioning.tiling import trial_jpeg

PROBE_TOKENS = 32
PROMPT = "Describe the image in a few words."
TRIAL_PX = 112
"""Small enough for any bound, large enough for any model's patches."""


async def probe(
    client: HttpClient,
    endpoint: Endpoint,
    model: str,
    limits: TimeLimits,
    image_count: int = 1,
    side_px: int = TRIAL_PX,
) -> ChatAnswer:
    """What the endpoint answers to so many square trial pictures.

    What it doesn't take is left out, what it names before what it doesn't name. Raises a RequestError, or
    SetupError where it refuses the key.
    """
    picture = trial_jpeg(side_px)
    request = CaptionRequest(
        id="trial", prompt=PROMPT, images=(picture,) * image_count, max_tokens=PROBE_TOKENS
    )
    dialect = endpoint.dialect
    named = dialect.left_out
    while True:
        try:
            return await client.chat(endpoint, dialect.body(model, request), limits)
        except (Refused, Transient) as error:
            if dialect.learn(error.said):
                named = dialect.left_out
            elif not (isinstance(error, Refused) and dialect.leave_out_more()):
                dialect.forget(named)  # it took none of that: the fields are not what it refuses
                raise


def no_text(answer: ChatAnswer) -> str:
    """That an answer has no text, why, and what to do about it."""
    if not answer.has_reasoning:
        return "with no text"
    if answer.finish_reason == "length":
        return (
            "with its thinking only, which used up all tokens: serve the model with thinking off"
            f" ({THINKING_OFF}), or raise captioning.max_tokens_single and max_tokens_multi"
        )
    return (
        "with all its text as reasoning: start the server without a reasoning parser, or with thinking off"
        f" ({THINKING_OFF})"
    )
