"""Answers of servers and of gateways in front of them."""

from __future__ import annotations

import json

import pytest

from tests.support.asking import REQUEST, ask
from tests.support.scripted_endpoint import (
    CAPTION,
    Reply,
    ScriptedEndpoint,
    delta,
    events,
    say,
)
from triptych.captioning.endpoints.chat_api import read_answer
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, [events(delta(content=CAPTION), delta("STOP"))]),
        Reply(200, [events(delta(content=CAPTION), delta("eos_token"))]),
        Reply(200, [events(delta(content=CAPTION), delta(None))]),
        Reply(200, [events(delta(content=[{"type": "text", "text": CAPTION}]), delta("end_turn"))]),
        Reply(200, [b"\xef\xbb\xbf", events(delta(content=CAPTION), delta("stop"))]),
        Reply(200, [b": ping\n\n", b'event: ping\ndata: {"type": "ping"}\n\n', *say(CAPTION).pieces]),
        Reply(
            200,
            [json.dumps({"choices": [{"message": {"content": CAPTION}, "finish_reason": None}]}).encode()],
        ),
        Reply(200, [json.dumps({"choices": [{"text": CAPTION, "finish_reason": "stop"}]}).encode()]),
        Reply(200, [events(delta(reasoning_content="A bird?"), delta(content=CAPTION), delta("stop"))]),
    ],
    ids=["STOP", "eos", "null and [DONE]", "parts", "BOM", "pings", "whole", "old completions", "reasoning"],
)
def test_answers_in_the_forms_of_many_gateways_are_read(reply: Reply) -> None:
    """With the caption and the finish reason "stop" for each."""
    with ScriptedEndpoint(lambda _: reply) as endpoint:
        completion = ask(endpoint)

    assert (None, CAPTION, "stop") == (completion.failure, completion.text, completion.finish_reason)


STREAMS = {
    "plain": say(CAPTION).pieces[0],
    "CRLF": bytes(say(CAPTION).pieces[0]).replace(b"\n", b"\r\n"),
    "no blank lines": bytes(say(CAPTION).pieces[0]).replace(b"\n\n", b"\n"),
    "whole again": events(
        delta(content=CAPTION[:30]),
        delta(content=CAPTION[30:]),
        {"choices": [{"message": {"role": "assistant", "content": CAPTION}, "finish_reason": "stop"}]},
    ),
    "last delta again": events(
        delta(content=CAPTION[:30]), delta(content=CAPTION[30:]), delta("stop", content=CAPTION)
    ),
    "once, then again": events(delta(content=CAPTION), delta("stop", content=CAPTION)),
    "all so far": events(
        *(delta(content=CAPTION[:end]) for end in range(5, 86, 5)), delta("stop", content=CAPTION)
    ),
    "messages as pieces": events(
        {"choices": [{"message": {"content": CAPTION[:30]}}]},
        {"choices": [{"message": {"content": CAPTION[30:]}, "finish_reason": "stop"}]},
    ),
    "Azure": events(
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
        delta(content=CAPTION),
        delta("stop"),
        {"choices": [{"index": 0, "content_filter_offsets": {}, "finish_reason": None}]},
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}},
    ),
    "JSON over lines": b"data: "
    + json.dumps(delta("stop", content=CAPTION), indent=1).replace("\n", "\ndata: ").encode()
    + b"\n\ndata: [DONE]\n\n",
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_gives_the_caption_once(name: str) -> None:
    """Even if the whole message is repeated, or each piece contains all text so far."""
    answer = read_answer(200, bytes(STREAMS[name]), "http://host/v1")

    assert (CAPTION, "stop") == (answer.text, answer.finish_reason)


def test_a_limit_in_bytes_is_reported_once() -> None:
    """With the settings that help, Triptych's and the server's."""
    page = Reply(413, [b"<html><title>413 Request Entity Too Large</title></html>"])
    messages: list[str] = []
    with ScriptedEndpoint(lambda _: page) as endpoint:
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)), say=messages.append)
        failures = [completion.failure or "" for completion in engine.caption([REQUEST] * 3)]
        engine.close()

    assert 1 == len(messages)
    assert (
        "half its tiles: set captioning.max_tiles lower, or raise its bound (nginx: client_max" in messages[0]
    )
    assert all(failure.startswith("too long: ") for failure in failures)
