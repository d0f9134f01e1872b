"""A caption request as the body of a chat completion in OpenAI's form.

Comes in: a request. Goes out: JSON bytes. The JPEGs are put in as data URLs at the last moment: a body is
2.3 times as large as its JPEGs while it is made, and only those being sent have one. Not its job: sending.
"""

from __future__ import annotations

import base64

import msgspec

from triptych.captioning.engine import CaptionRequest
from triptych.captioning.structured import response_format
from triptych.prompts import message_parts


def chat_body(model: str, request: CaptionRequest) -> bytes:
    """The JSON. Greedy has top_k 1 because lmdeploy's server samples whatever the temperature. Everything
    but a seed is always said: what is left out a server fills in from the model's generation_config.json.

    It streams: a request without streaming keeps its engine slot when its client has given up.
    """
    pictures = iter(request.images)
    content = [
        {"type": "image_url", "image_url": {"url": _data_url(next(pictures))}}
        if part is None
        else {"type": "text", "text": part}
        for part in message_parts(request.prompt, len(request.images))
    ]
    sampling = msgspec.to_builtins(request.sampling)
    return msgspec.json.encode(
        {
            "model": model,
            "messages": [{"role": "user", "content": content}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": request.max_tokens,
            **{name: value for name, value in sampling.items() if value is not None},
            **({"response_format": response_format(len(request.images))} if request.structured else {}),
        }
    )


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
