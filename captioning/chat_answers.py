"""What an endpoint's answer means: a caption, a refusal for good, or a fault that may pass.

Comes in: status and body of an answer to a chat completion. Goes out: its text and counts, or one of
two exceptions. Not its job: sending, trying again.
"""

from __future__ import annotations

import msgspec

from corpus.errors import SetupError

PASSING_STATUS = frozenset({408, 409, 425, 429})
"""Of the 4xx: those that say "not now". All of 5xx may pass, all other 4xx but 404 are for good."""

UNAVAILABLE_STATUS = frozenset({404, 503})
"""It isn't the request: the engine sleeps or is dead, or another model is served there by now."""

UNFINISHED = frozenset({"abort", "error"})
"""Finish reasons that lmdeploy gives, in a 200, to an answer that was broken off half way."""

_SHOWN = 300


class Refused(Exception):
    """The request will never be served: a bad image, too long."""


class Transient(Exception):
    """The same request may well be served later or elsewhere."""


class Unavailable(Transient):
    """The endpoint serves nobody at the moment: others are to be asked."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A caption as an endpoint gave it."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Body(msgspec.Struct, frozen=True):
    """A chat completion, or one of the errors that lmdeploy's proxy sends as HTTP 200."""

    choices: list[_Choice] = []
    usage: _Usage | None = None
    object: str | None = None
    code: int | str | None = None
    message: str | None = None
    error_code: int | None = None
    text: str | None = None


def read_answer(status: int, content: bytes, url: str) -> Said:
    """The caption in an answer.

    Raises Refused, Transient, Unavailable, or SetupError where the endpoint refuses the key. lmdeploy's
    proxy hands an upstream error on as HTTP 200 with ``object: error`` and its code, and reports a dead
    node as HTTP 200 with ``error_code``; both count as the errors that they are, from any endpoint.
    """
    if status != 200:
        _raise_for(status, _shown(content), url)
    try:
        body = msgspec.json.decode(content, type=_Body)
    except msgspec.MsgspecError as error:
        raise Transient(f"{url} sent no chat completion ({error}): {_shown(content)}") from None
    if body.error_code is not None:
        raise Transient(f"{url}, error {body.error_code} in a 200: {body.text or _shown(content)}")
    if body.object == "error":
        code = str(body.code)
        _raise_for(
            int(code) if code.isdecimal() else 500, body.message or _shown(content), f"{url} (in a 200)"
        )
    if not body.choices:
        raise Transient(f"{url} sent a completion without choices: {_shown(content)}")
    choice = body.choices[0]
    if choice.finish_reason in UNFINISHED:
        raise Transient(f"{url} broke off its answer (finish_reason {choice.finish_reason} in a 200)")
    usage = body.usage or _Usage()
    return Said(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason or "",
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
    )


def _raise_for(code: int, message: str, url: str) -> None:
    if code in (401, 403):
        raise SetupError(
            f"{url} refuses access (HTTP {code}: {message});"
            " name the environment variable of its key in captioning.api_key_env"
        )
    if code in UNAVAILABLE_STATUS:
        raise Unavailable(f"{url}, HTTP {code}: {message}")
    if code >= 500 or code in PASSING_STATUS:
        raise Transient(f"{url}, HTTP {code}: {message}")
    raise Refused(f"{url}, HTTP {code}: {message}")


def _shown(content: bytes) -> str:
    text = " ".join(content.decode("utf-8", "replace").split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
