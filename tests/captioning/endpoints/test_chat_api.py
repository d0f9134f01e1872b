"""What an endpoint's answer means, streamed or whole."""

from __future__ import annotations

import json

import pytest

from triptych.captioning.endpoints.chat_api import ChatAnswer, read_answer
from triptych.captioning.endpoints.request_errors import (
    NotNow,
    Refused,
    RequestError,
    TooLong,
    Transient,
    Unavailable,
)

URL = "http://host/v1"


def events(*documents: object, end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents) + end


def piece(content: str, finish_reason: str | None = None) -> dict[str, object]:
    return {"choices": [{"delta": {"content": content}, "finish_reason": finish_reason}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}
WHOLE = ChatAnswer(text="A red kite.", finish_reason="stop", prompt_tokens=7, completion_tokens=2)


@pytest.mark.parametrize(
    "content",
    [
        events(piece("A red"), piece(" kite.", "stop"), USAGE),
        b": ping\r\n\r\n" + events(piece("A red"), piece(" kite.", "stop"), USAGE).replace(b"\n", b"\r\n"),
        events(piece("A red kite."), piece("", "stop"), USAGE, end=b""),
        json.dumps(
            {
                "choices": [{"message": {"content": "A red kite."}, "finish_reason": "stop"}],
                "usage": USAGE["usage"],
            }
        ).encode(),
    ],
    ids=["events", "comments and CRLF", "no [DONE]", "plain JSON"],
)
def test_a_caption_comes_in_events_or_whole(content: bytes) -> None:
    """Also from a server that doesn't stream though it was asked to."""
    assert WHOLE == read_answer(200, content, URL)


def test_an_answer_that_was_whole_when_the_connection_broke_counts() -> None:
    """Good answers aren't thrown away."""
    said = read_answer(200, events(piece("A red kite.", "stop"), end=b""), URL, cut="reset")

    assert ("A red kite.", "stop") == (said.text, said.finish_reason)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, events(piece("A red"), end=b""), Transient),
        (200, events(piece("A red"), end=b'data: {"choi'), Transient),
        (200, events(piece("A red"), {"error": {"message": "engine", "code": 500}}), Transient),
        (200, events({"error": {"message": "bad image", "code": 400}}), Refused),
        (200, events(piece("A red", "abort")), Transient),
        (200, b"", Transient),
        (200, b'{"error_code": 10402, "text": "timeout"}', Transient),
        (200, b'{"object": "error", "code": 400, "message": "bad image"}', Refused),
        (200, b'{"object": "error", "code": 503, "message": "asleep"}', Unavailable),
        (400, b'{"message": "bad image"}', Refused),
        (429, b"", NotNow),
        (404, b"", Unavailable),
        (499, b"", Transient),
        (502, b"<html>", Transient),
    ],
)
def test_anything_else_is_the_fault_that_it_is(status: int, content: bytes, kind: type[RequestError]) -> None:
    """Exactly that class: it decides what is done about it."""
    with pytest.raises(RequestError) as raised:
        read_answer(status, content, URL)

    assert kind is raised.type


@pytest.mark.parametrize(
    "words",
    [
        "Input length (9000) must be smaller than the model context length (8192).",
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    ],
    ids=["lmdeploy", "OpenAI and vLLM", "vLLM, images"],
)
@pytest.mark.parametrize("in_a_200", [False, True])
def test_too_long_is_told_from_other_refusals(words: str, in_a_200: bool) -> None:
    """By the servers' own words."""
    error = {"object": "error", "message": words, "code": 400}
    status, content = (200, events({"error": error})) if in_a_200 else (400, json.dumps(error).encode())

    with pytest.raises(TooLong):
        read_answer(status, content, URL)


def test_too_long_is_told_by_openais_code() -> None:
    """Whatever the message says."""
    with pytest.raises(TooLong):
        read_answer(400, b'{"error": {"message": "no", "code": "context_length_exceeded"}}', URL)
