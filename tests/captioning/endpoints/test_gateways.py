"""Lists of models, answers and addresses of servers and of gateways in front of them."""

from __future__ import annotations

import json

import pytest

from tests.support.asking import REQUEST, ask
from tests.support.scripted_endpoint import (
    CAPTION,
    MODEL,
    Reply,
    ScriptedEndpoint,
    delta,
    events,
    listed,
    refuse,
    say,
)
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.errors import SetupError


@pytest.mark.parametrize(
    "models",
    [
        refuse(404, "Not Found"),
        refuse(405, "Method Not Allowed"),
        listed(),
        Reply(200, [b"<html>hello</html>"]),
        Reply(200, [b'{"object": "list", "data": null}']),
        Reply(200, [b"[" * 100_000]),
        listed("another", "and-another"),
        listed("\x1b[2J"),
    ],
    ids=["404", "405", "empty", "HTML", "null", "nested", "others", "unprintable"],
)
def test_a_model_that_is_not_listed_is_tried_with_one_picture(models: Reply) -> None:
    """The answer decides; with no name to ask for, it is one line."""
    with ScriptedEndpoint(models=models) as endpoint:
        assert CAPTION == ask(endpoint, MODEL).text
        assert 2 == len(endpoint.asked)
        with pytest.raises(SetupError, match=r"(lists no models|serves another, and-another); name "):
            ask(endpoint)
        endpoint.chat = lambda asked: refuse(404, "The model does not exist")
        with pytest.raises(SetupError, match=f"not {MODEL}; name a served model .*does not exist"):
            ask(endpoint, MODEL)


def test_forms_of_a_list_of_models() -> None:
    """OpenAI's, and those of gateways that have their own."""
    for body in (
        b'{"data": [{"id": "acme/looker"}]}',
        b'\xef\xbb\xbf{"models": [{"name": "acme/looker"}]}'[3:],
        b'[{"id": "acme/looker"}, {"id": "acme/looker"}]',
        b'["acme/looker"]',
    ):
        with ScriptedEndpoint(models=Reply(200, [body])) as endpoint:
            assert CAPTION == ask(endpoint).text


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
def test_answers_of_other_gateways(reply: Reply) -> None:
    """The caption, and that it came to its end by itself."""
    with ScriptedEndpoint(lambda _: reply) as endpoint:
        completion = ask(endpoint)

    assert (None, CAPTION, "stop") == (completion.failure, completion.text, completion.finish_reason)


@pytest.mark.parametrize(
    ("served_at", "written", "models"),
    [
        ("", "", listed(MODEL)),
        ("", "/v1", listed(MODEL)),
        ("/api", "/api", listed(MODEL)),
        ("/api/v1", "/api", listed(MODEL)),
        ("", "", refuse(404, "Not Found")),
        ("/openai/v1", "/openai", refuse(403, "models are not for you")),
        ("/v2", "/v2/chat/completions", listed()),
    ],
)
def test_an_endpoint_is_found_with_or_without_a_version(served_at: str, written: str, models: Reply) -> None:
    """By its list of models, or by a trial where it has none; and is asked there from then on."""
    with ScriptedEndpoint(models=models, path=served_at) as endpoint:
        endpoint.url = f"http://127.0.0.1:{endpoint.port}{written}"
        assert CAPTION == ask(endpoint, MODEL).text

    assert f"{served_at}/chat/completions" == endpoint.paths[-1]


def test_an_endpoint_that_is_at_neither_is_one_line() -> None:
    """Which names the URL as it was given."""
    with (
        ScriptedEndpoint(path="/elsewhere") as endpoint,
        pytest.raises(SetupError, match=r":\d+/vllm/v1 lists no models, not acme.*HTTP 404.*Not Found"),
    ):
        endpoint.url = f"http://127.0.0.1:{endpoint.port}/vllm"
        ask(endpoint, MODEL)


def test_a_bound_on_bytes_is_said_once() -> None:
    """With the setting, and the server's own."""
    page = Reply(413, [b"<html><title>413 Request Entity Too Large</title></html>"])
    said: list[str] = []
    with ScriptedEndpoint(lambda _: page) as endpoint:
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)), say=said.append)
        failures = [completion.failure or "" for completion in engine.caption([REQUEST] * 3)]
        engine.close()

    assert 1 == len(said)
    assert "half its tiles: set captioning.max_tiles lower, or raise its bound (nginx: client_max" in said[0]
    assert all(failure.startswith("too long: ") for failure in failures)
