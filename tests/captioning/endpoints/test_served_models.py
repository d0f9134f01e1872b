"""Which model endpoints serve, and at which address: lists of models, and trial requests."""

from __future__ import annotations

import pytest

from tests.support.asking import REQUEST, ask
from tests.support.scripted_endpoint import (
    CAPTION,
    MODEL,
    Asked,
    Reply,
    ScriptedEndpoint,
    listed,
    refuse,
    well,
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
def test_an_unlisted_model_is_tried_with_one_picture(models: Reply) -> None:
    """The answer decides. If no model is named, an error of one line is raised."""
    with ScriptedEndpoint(models=models) as endpoint:
        assert CAPTION == ask(endpoint, MODEL).text
        assert 2 == len(endpoint.asked)
        with pytest.raises(SetupError, match=r"(lists no models|serves another, and-another); name "):
            ask(endpoint)
        endpoint.chat = lambda asked: refuse(404, "The model does not exist")
        with pytest.raises(SetupError, match=f"not {MODEL}; name a served model .*does not exist"):
            ask(endpoint, MODEL)


def test_lists_of_models_are_read_in_many_forms() -> None:
    """In OpenAI's form, and in gateways' own."""
    for body in (
        b'{"data": [{"id": "acme/looker"}]}',
        b'\xef\xbb\xbf{"models": [{"name": "acme/looker"}]}',
        b'[{"id": "acme/looker"}, {"id": "acme/looker"}]',
        b'["acme/looker"]',
    ):
        with ScriptedEndpoint(models=Reply(200, [body])) as endpoint:
            assert CAPTION == ask(endpoint).text


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
        ("/v100/v1", "/v100", listed(MODEL)),
        ("/v100/v1", "/v100", refuse(404, "Not Found")),
        ("/v100", "/v100", listed(MODEL)),
    ],
)
def test_an_endpoint_is_found_with_or_without_a_version(served_at: str, written: str, models: Reply) -> None:
    """By its list of models, or by a trial if it has none. Captions are asked for at the same address."""
    with ScriptedEndpoint(models=models, path=served_at) as endpoint:
        endpoint.url = f"http://127.0.0.1:{endpoint.port}{written}"
        assert CAPTION == ask(endpoint, MODEL).text

    assert f"{served_at}/chat/completions" == endpoint.paths[-1]


def test_an_endpoint_at_neither_address_is_reported_in_one_line() -> None:
    """The line names both addresses."""
    with (
        ScriptedEndpoint(path="/elsewhere") as endpoint,
        pytest.raises(
            SetupError,
            match=r"nothing is served at http:\S+/vllm/v1 and http:\S+/vllm; its path is wrong.*Not Found",
        ),
    ):
        endpoint.url = f"http://127.0.0.1:{endpoint.port}/vllm"
        ask(endpoint, MODEL)


def open_engine(*endpoints: ScriptedEndpoint, model: str = "") -> ServerEngine:
    """An engine that asks all of them."""
    return ServerEngine(ServerConfig(urls=tuple(each.url for each in endpoints)), model)


def test_endpoints_that_list_different_models_require_a_name() -> None:
    """Many servers answer to any name, so captions of two models would be mixed under one name."""
    with (
        ScriptedEndpoint(models=listed("qwen2.5-vl-7b")) as one,
        ScriptedEndpoint(models=listed("gemma-3-4b.gguf")) as other,
        pytest.raises(
            SetupError, match=rf"{one.url} serves qwen2.5-vl-7b, and {other.url} serves gemma.*--model"
        ),
    ):
        open_engine(one, other)

    assert [] == one.asked + other.asked


def test_a_name_that_all_endpoints_answer_to_is_used() -> None:
    """Even if their lists differ."""
    with ScriptedEndpoint(models=listed("a")) as one, ScriptedEndpoint(models=listed("b")) as other:
        engine = open_engine(one, other, model="alias")
        engine.close()

    assert ["alias", "alias"] == [endpoint.asked[0].body["model"] for endpoint in (one, other)]


@pytest.mark.parametrize(
    "lists", [(listed(MODEL), listed("other", MODEL)), (listed(MODEL), listed()), (listed(), listed(MODEL))]
)
def test_the_only_model_in_all_lists_is_used(lists: tuple[Reply, Reply]) -> None:
    """A trial decides for an endpoint without a list."""
    with ScriptedEndpoint(models=lists[0]) as one, ScriptedEndpoint(models=lists[1]) as other:
        engine = open_engine(one, other)
        engine.close()

    assert {"served_model": MODEL} == engine.identity


def test_an_endpoint_that_is_up_late_with_another_model_is_not_used() -> None:
    """Its list is read once it is up. Its captions would not be those of the run's model."""
    with ScriptedEndpoint() as there, ScriptedEndpoint(models=refuse(503, "loading")) as late:
        messages: list[str] = []
        engine = ServerEngine(
            ServerConfig(urls=(late.url, there.url)), say=messages.append, first_pause_s=0.01
        )
        late.models = listed("gemma-3-4b.gguf")
        while not messages:
            assert engine.caption([REQUEST])[0].failure is None
        engine.close()

    assert [] == late.asked
    assert f"{late.url} serves gemma-3-4b.gguf, not {MODEL}: not used" in messages[0]


@pytest.mark.parametrize("model", [MODEL, ""])
def test_an_endpoint_that_restarts_with_another_model_is_not_used(model: str) -> None:
    """After it was away its list is read again, so captions of two models aren't mixed."""
    with ScriptedEndpoint() as endpoint:
        serve, served_to = endpoint.reply_to, list[str]()
        lists = iter([MODEL, "gemma", "gemma", MODEL])
        answers = iter([well, *[lambda _: refuse(503, "restarting")] * 5])

        def reply(asked: Asked) -> Reply:
            if asked.method == "GET":
                endpoint.models = listed(name := next(lists))
                served_to.append(name)
            return serve(asked)

        endpoint.reply_to = reply  # type: ignore[method-assign]
        endpoint.chat = lambda asked: (served_to.append("caption"), next(answers, well)(asked))[1]
        said: list[str] = []
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)), model, say=said.append, first_pause_s=0.01)
        captions = [engine.caption([REQUEST])[0].text for _ in range(2)]
        engine.close()

    assert [CAPTION] * 2 == captions
    assert [MODEL, *["caption"] * 6, "gemma", "gemma", MODEL, "caption"] == served_to
    assert f"{endpoint.url} serves gemma, not {MODEL}: not used" in said[-1]


@pytest.mark.parametrize("status", [408, 425, 429])
@pytest.mark.parametrize("model", [MODEL, ""])
def test_a_temporarily_refused_list_is_requested_again(status: int, model: str) -> None:
    """A busy endpoint may serve the model."""
    with ScriptedEndpoint() as endpoint:
        serve = endpoint.reply_to

        def reply(asked: Asked) -> Reply:
            first = not endpoint.paths
            answer = serve(asked)
            return refuse(status, "slow down") if first else answer

        endpoint.reply_to = reply  # type: ignore[method-assign]
        messages: list[str] = []
        assert CAPTION == ask(endpoint, model, said=messages).text

    assert 1 == len(endpoint.asked)
    assert f"is busy (HTTP {status}): asked again in" in messages[0]


def test_a_list_that_is_always_refused_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the model is named: then a trial decides."""
    monkeypatch.setattr("triptych.captioning.endpoints.served_models.TRIES", 2)
    with ScriptedEndpoint(models=refuse(429, "slow down")) as endpoint:
        with pytest.raises(
            SetupError, match=r"is busy \(HTTP 429 for its models, 2 times\); try again later"
        ):
            ask(endpoint)
        assert CAPTION == ask(endpoint, MODEL).text
        endpoint.models = refuse(503, "Loading model")
        with pytest.raises(SetupError, match=r"is not ready \(HTTP 503 .*Loading model.*; try again later"):
            ask(endpoint, MODEL)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporarily_refused_trial_is_repeated(status: int) -> None:
    """The name isn't to blame."""
    with ScriptedEndpoint(models=listed()) as endpoint:
        endpoint.chat = lambda a: refuse(status, "slow down") if len(endpoint.asked) == 1 else well(a)
        assert CAPTION == ask(endpoint, MODEL).text


def test_a_trial_that_is_always_refused_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line doesn't blame the name."""
    monkeypatch.setattr("triptych.captioning.endpoints.served_models.TRIES", 2)
    with (
        ScriptedEndpoint(lambda _: refuse(429, "slow down"), models=listed()) as endpoint,
        pytest.raises(SetupError, match=r"doesn't answer at the moment .*slow down.*; try again later"),
    ):
        ask(endpoint, MODEL)

    assert 2 == len(endpoint.asked)
