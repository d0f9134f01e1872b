"""OpenAI's chat completions: a caption request as a body, and what an answer means.

Comes in: a request; status and body of an answer, streamed (server-sent events) or whole (JSON). Goes out:
JSON bytes; text and counts, or a RequestError. The JPEGs are put in as data URLs at the last moment: a body
is 2.3 times as large as its JPEGs while it is made, and only those being sent have one. Not its job: sending,
trying again.
"""

from __future__ import annotations

import base64
import re

import msgspec

from triptych.captioning.endpoints.request_errors import NotNow, Refused, TooLong, Transient, Unavailable
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.structured import response_format
from triptych.errors import SetupError
from triptych.prompts import message_parts

PASSING_STATUS = frozenset({408, 409, 425, 499})
"""Of the 4xx: those that may pass, as all of 5xx may. 499: lmdeploy cancelled it. All other 4xx but
404 and 429 are for good."""

UNAVAILABLE_STATUS = frozenset({404, 503})
"""It isn't the request: the engine sleeps or is dead, or another model is served there by now."""

UNFINISHED = frozenset({"abort", "error"})
"""Finish reasons that lmdeploy gives, in a 200, to an answer that was broken off half way."""

_TOO_LONG = re.compile(
    r"must be smaller than the model context length"  # lmdeploy 0.18
    r"|context_length_exceeded"  # OpenAI, and lmdeploy's own code for it
    r"|maximum context length"  # vLLM, OpenAI
    r"|longer than the maximum model length",  # vLLM, where images are what is too long
    re.IGNORECASE,
)

_SHOWN = 300


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


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A caption as an endpoint gave it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message | None = None
    delta: _Message | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Error(msgspec.Struct, frozen=True):
    message: str | None = None
    code: int | str | None = None


class _Body(msgspec.Struct, frozen=True):
    """A chat completion, a piece of one, or an error that came as HTTP 200."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    object: str | None = None
    code: int | str | None = None
    message: str | None = None
    error: _Error | str | None = None
    error_code: int | None = None
    text: str | None = None


_decoder = msgspec.json.Decoder(_Body)


def read_answer(
    status: int, content: bytes, url: str, *, retry_after_s: float = 0.0, cut: str | None = None
) -> ChatAnswer:
    """The caption in an answer.

    ``cut`` says how the connection ended, where it did not end well: an answer that was whole by then
    counts. lmdeploy's proxy hands an upstream error on as HTTP 200 with ``object: error`` and its code,
    and reports a dead node as HTTP 200 with ``error_code``; both count as the errors that they are, from
    any endpoint. Raises a RequestError, or SetupError where the endpoint refuses the key.
    """
    if status != 200:
        _raise_for(status, _shown(content), url, retry_after_s)
    pieces = [_decode(piece, url, cut) for piece in _pieces(content)]
    for piece in pieces:
        _raise_for_error_in_a_200(piece, url)
    choices = [piece.choices[0] for piece in pieces if piece.choices]
    finish_reason = next((c.finish_reason for c in reversed(choices) if c.finish_reason), None)
    if finish_reason in UNFINISHED:
        raise Transient(f"{url} broke off its answer (finish_reason {finish_reason} in a 200)")
    if cut is not None and finish_reason is None:
        raise Transient(f"{url}, {cut}")
    if not choices:
        raise Transient(f"{url} sent a completion without choices: {_shown(content)}")
    if finish_reason is None and choices[-1].message is None:
        raise Transient(f"{url} ended its answer without a finish_reason: {_shown(content[-_SHOWN:])}")
    usage = next((piece.usage for piece in reversed(pieces) if piece.usage is not None), _Usage())
    return ChatAnswer(
        text="".join(_text(choice) for choice in choices),
        finish_reason=finish_reason or "",
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )


def _pieces(content: bytes) -> list[bytes]:
    """The JSON documents in ``content``: one, or those of its events."""
    if content.lstrip()[:1] in (b"{", b""):
        return [content]
    lines = (line[len(b"data:") :].strip() for line in content.splitlines() if line.startswith(b"data:"))
    return [line for line in lines if line != b"[DONE]"] or [content]


def _decode(piece: bytes, url: str, cut: str | None) -> _Body:
    try:
        return _decoder.decode(piece)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if cut is not None:
            raise Transient(f"{url}, {cut}") from None
        raise Transient(f"{url} sent no chat completion ({error}): {_shown(piece)}") from None


def _text(choice: _Choice) -> str:
    message = choice.message or choice.delta
    return (message.content if message is not None else None) or ""


def _raise_for_error_in_a_200(body: _Body, url: str) -> None:
    if body.error_code is not None:
        raise Transient(f"{url}, error {body.error_code} in a 200: {body.text or ''}")
    error: _Error | None = None
    if body.error is not None:
        error = _Error(body.error, None) if isinstance(body.error, str) else body.error
    elif body.object == "error":
        error = _Error(body.message, body.code)
    if error is not None:
        code = str(error.code)
        shown = error.message or "no reason given"
        if _TOO_LONG.search(f"{code} {shown}"):
            raise TooLong(f"{url} (in a 200), HTTP {code}: {shown}")
        _raise_for(int(code) if code.isdecimal() else 500, shown, f"{url} (in a 200)", 0.0)


def _raise_for(code: int, message: str, url: str, retry_after_s: float) -> None:
    answer = f"{url}, HTTP {code}: {message}"
    if code in (401, 403):
        raise SetupError(
            f"{url} refuses access (HTTP {code}: {message});"
            " name the environment variable of its key in captioning.server.api_key_env"
        )
    if code in UNAVAILABLE_STATUS:
        raise Unavailable(answer, retry_after_s)
    if code == 429:
        raise NotNow(answer, retry_after_s)
    if code >= 500 or code in PASSING_STATUS:
        raise Transient(answer)
    raise TooLong(answer) if _TOO_LONG.search(message) else Refused(answer)


def _shown(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
