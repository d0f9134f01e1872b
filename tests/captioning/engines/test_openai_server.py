"""The server engine, against a real HTTP server that runs the model and can misbehave."""

from __future__ import annotations

import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.chat_server import SERVED_MODEL, ChatServer, anywhere
from tests.support.ports import free_port
from tests.support.scripted_endpoint import ScriptedEndpoint, refuse
from tests.support.small_run import picture
from triptych.captioning.endpoints.endpoint import ERRORS_BEFORE_REST
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.tiling import fit_to_tiles
from triptych.errors import SetupError

REQUEST = CaptionRequest(
    id="single_en:a.jpg",
    prompt="Describe what the image shows.",
    images=(fit_to_tiles(picture(1), (1, 1), 112),),
    max_tokens=12,
)


def engine_for(*servers: ChatServer, api_key_env: str | None = None, **settings: object) -> ServerEngine:
    """An engine that asks these servers, and hardly pauses."""
    config = ServerConfig(urls=tuple(server.url for server in servers), api_key_env=api_key_env)
    return ServerEngine(config, limits=RequestLimits(**settings), first_pause_s=0.01)


def ask(*servers: ChatServer, **settings: object) -> Completion:
    """The completion of REQUEST."""
    engine = engine_for(*servers, **settings)
    try:
        return engine.caption([REQUEST])[0]
    finally:
        engine.close()


def test_captions_of_an_endpoint_equal_those_of_the_in_process_engine(
    chat_server: ChatServer, tiny_engine: TransformersEngine
) -> None:
    """On single images and sets, several at a time: text, finish reason and token counts."""
    requests = [
        CaptionRequest(
            id=f"{number}",
            prompt="Describe what the images show.",
            images=tuple(fit_to_tiles(picture(number + k), (1, 1), 112) for k in range(1 + number % 3)),
            max_tokens=24,
        )
        for number in range(12)
    ]
    engine = engine_for(chat_server)

    with ThreadPoolExecutor(6) as pool:
        asked = [completions[0] for completions in pool.map(lambda r: engine.caption([r]), requests)]
    engine.close()

    assert tiny_engine.caption(requests) == anywhere(asked)


def test_a_request_is_greedy_in_openais_form_with_data_urls(chat_server: ChatServer) -> None:
    """Text before each image numbers it. top_k is for servers that sample whatever the temperature is."""
    pair = CaptionRequest(id="x", prompt="Compare.", images=REQUEST.images * 2, max_tokens=7)
    engine = engine_for(chat_server)
    engine.caption([pair])
    engine.close()

    payload = chat_server.payloads[0]
    content = payload["messages"][0]["content"]
    assert (SERVED_MODEL, 7, 0.0, 1) == tuple(
        payload[name] for name in ("model", "max_tokens", "temperature", "top_k")
    )
    assert ["Image-1: ", None, "Image-2: ", None, "Compare."] == [part.get("text") for part in content]
    url = content[1]["image_url"]["url"]
    assert url.startswith("data:image/jpeg;base64,")
    assert REQUEST.images[0] == base64.b64decode(url.partition(",")[2])


def test_the_key_is_taken_from_the_environment(
    chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent as a bearer token."""
    monkeypatch.setenv("ENDPOINT_KEY", "s3cret")

    ask(chat_server, api_key_env="ENDPOINT_KEY")

    assert "Bearer s3cret" == chat_server.headers[0]["Authorization"]


def test_an_unset_key_variable_is_reported_in_one_line(chat_server: ChatServer) -> None:
    """With the command that sets it."""
    with pytest.raises(SetupError, match="names NO_SUCH_KEY, which is not set; export NO_SUCH_KEY=KEY"):
        engine_for(chat_server, api_key_env="NO_SUCH_KEY")


@pytest.mark.parametrize(
    "mishap",
    ["500", "503", "404", "500 in a 200", "dead node in a 200", "abort", "malformed", "no choices", "reset"],
)
def test_a_transient_fault_is_retried(chat_server: ChatServer, mishap: str) -> None:
    """After two faults comes the caption, which counts its attempts."""
    chat_server.mishaps.extend([mishap, mishap])

    completion = ask(chat_server)

    assert (None, 3) == (completion.failure, completion.attempts)
    assert completion.text


@pytest.mark.parametrize("limit", ["timeout_s", "first_token_timeout_s", "token_timeout_s"])
def test_an_answer_that_times_out_is_retried(chat_server: ChatServer, limit: str) -> None:
    """A hanging request doesn't block the run forever, wherever it hangs."""
    chat_server.mishaps.append("hang after a token" if limit == "token_timeout_s" else "hang")

    completion = ask(chat_server, **{limit: 3.0})

    assert (None, 2) == (completion.failure, completion.attempts)


@pytest.mark.parametrize(("mishap", "words"), [("400", "planned 400"), ("400 in a 200", "bad image")])
def test_a_refusal_is_recorded_at_once(chat_server: ChatServer, mishap: str, words: str) -> None:
    """With the endpoint's own message."""
    chat_server.mishaps.append(mishap)

    completion = ask(chat_server)

    assert 1 == completion.attempts
    assert completion.failure is not None
    assert completion.failure.startswith("refused: ")
    assert words in completion.failure


def test_a_persistent_fault_is_recorded(chat_server: ChatServer) -> None:
    """After max_attempts, if the endpoint still lists its model."""
    chat_server.mishaps.extend(["500"] * 3)

    completion = ask(chat_server, max_attempts=3)

    assert 3 == completion.attempts
    assert re.fullmatch(r"no answer: http://.*/v1, HTTP 500: .*planned 500.*", completion.failure or "")


def test_losing_all_endpoints_ends_the_run_instead_of_failing_every_caption(
    chat_server: ChatServer,
) -> None:
    """After patience_s. Otherwise a million recorded failures would have to be asked for again."""
    engine = engine_for(chat_server, max_attempts=2, patience_s=0.5)
    chat_server.stop()

    with pytest.raises(
        SetupError,
        match=rf"gave no answer for 0.5 s .*start {SERVED_MODEL} there again.*captions so far stay",
    ):
        engine.caption([REQUEST])
    engine.close()


def test_the_last_error_is_reported_even_if_other_requests_met_it() -> None:
    """Those that wait for an endpoint which answers nothing but errors have seen none themselves."""
    with ScriptedEndpoint(lambda _: refuse(529, "overloaded")) as endpoint:
        limits = RequestLimits(max_attempts=1, max_in_flight=1, patience_s=0.2)
        said: list[str] = []
        engine = ServerEngine(ServerConfig(urls=(endpoint.url,)), "", limits, said.append, first_pause_s=9.0)
        with pytest.raises(SetupError, match=r"the last error: .*HTTP 529.*overloaded"):
            engine.caption([REQUEST] * 9)
        engine.close()

    assert 1 == len(said)
    assert "overloaded" in said[0] and "asked again for up to 0.2 s" in said[0]


def test_requests_wait_for_endpoints_that_are_down_without_losing_attempts(
    tiny_engine: TransformersEngine,
) -> None:
    """They are sent once an endpoint is back on its port."""
    with ChatServer(tiny_engine) as first:
        engine = engine_for(first, max_attempts=1)
        port = int(first.url.rpartition(":")[2])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(engine.caption, [REQUEST])
        while not engine.endpoints[0].rest_left_s:
            time.sleep(0.01)
        with ChatServer(tiny_engine, port=port):
            completion = waiting.result()[0]
        engine.close()

    assert completion.failure is None


def test_an_endpoint_that_is_down_at_the_start_is_used_once_it_is_up(
    tiny_engine: TransformersEngine,
) -> None:
    """A run can be resumed while one of many nodes is down."""
    port = free_port()
    with ChatServer(tiny_engine) as there:
        engine = ServerEngine(ServerConfig(urls=(f"http://127.0.0.1:{port}", there.url)), first_pause_s=0.01)
        assert "for now without those that are unavailable" in engine.describe()
        with ChatServer(tiny_engine, port=port) as late:
            while not late.payloads:
                assert engine.caption([REQUEST])[0].failure is None
            engine.close()

    assert late.payloads


def test_an_endpoint_that_refuses_a_trial_picture_too_ends_the_run(chat_server: ChatServer) -> None:
    """At the first refusal, with the server's message. No image is recorded as failed."""
    chat_server.mishaps.extend(["400"] * 99)
    engine = engine_for(chat_server)

    with pytest.raises(SetupError, match=r"planned 400.*test image is refused as well.*same command"):
        engine.caption([REQUEST])
    engine.close()


def test_a_body_that_a_gateway_refuses_is_too_long(chat_server: ChatServer) -> None:
    """HTTP 413: fewer tiles may help."""
    chat_server.mishaps.append("413")

    assert (ask(chat_server).failure or "").startswith("too long: ")


def test_a_refused_key_ends_the_run(chat_server: ChatServer) -> None:
    """The set-up is wrong, not the request."""
    chat_server.mishaps.append("401")

    with pytest.raises(SetupError, match=r"refuses access .HTTP 401.*captioning\.server\.api_key_env"):
        ask(chat_server)


def test_an_unreachable_endpoint_is_reported_in_one_line() -> None:
    """Before any work starts."""
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(
        SetupError, match=rf"endpoint {url}/v1 can't be reached \(Connect call failed [^:]*\);.* --server"
    ):
        ServerEngine(ServerConfig(urls=(url,)))


def test_a_model_that_is_not_served_is_reported_in_one_line(chat_server: ChatServer) -> None:
    """With the model that is served."""
    with pytest.raises(SetupError, match=f"serves {SERVED_MODEL}, not other/model; name a served model.*404"):
        ServerEngine(ServerConfig(urls=(chat_server.url,)), "other/model")


def test_an_unlisted_model_name_is_tried(chat_server: ChatServer) -> None:
    """An alias is tried once before work, and a message says so."""
    chat_server.names.add("the-alias")
    messages: list[str] = []
    engine = ServerEngine(ServerConfig(urls=(chat_server.url,)), "the-alias", say=messages.append)
    completion = engine.caption([REQUEST])[0]
    engine.close()

    assert (None, {"served_model": "the-alias"}) == (completion.failure, engine.identity)
    assert 1 == len(messages)
    assert f"serves {SERVED_MODEL}, and answers to the-alias as well" in messages[0]


def test_a_slow_endpoint_does_not_block_the_others(tiny_engine: TransformersEngine) -> None:
    """While it hangs on a request, the others get the rest, never more than max_in_flight each."""
    with ChatServer(tiny_engine) as slow, ChatServer(tiny_engine) as quick:
        engine = engine_for(slow, quick, max_in_flight=1)
        slow.mishaps.append("hang")
        with ThreadPoolExecutor(2) as pool:
            hanging = pool.submit(engine.caption, [REQUEST])
            while not slow.headers:
                time.sleep(0.01)
            completions = pool.submit(engine.caption, [REQUEST] * 5).result()
            in_flight = [endpoint.in_flight for endpoint in engine.endpoints]
            slow.released.set()
            hanging.result()
        engine.close()

    assert [1, 0] == in_flight
    assert all(completion.failure is None for completion in completions)
    assert len(quick.payloads) >= 5


def test_an_endpoint_that_only_fails_rests_for_a_while(tiny_engine: TransformersEngine) -> None:
    """It fails at once, so it always has the fewest requests in flight, and would always be asked first."""
    with ChatServer(tiny_engine) as asleep, ChatServer(tiny_engine) as awake:
        asleep.mishaps.extend(["503"] * 99)
        engine = engine_for(asleep, awake)
        for endpoint in engine.endpoints:
            endpoint._first_pause_s = 60.0
        completions = [engine.caption([REQUEST])[0] for _ in range(12)]
        engine.close()

    assert [None] * 12 == [completion.failure for completion in completions]
    assert ERRORS_BEFORE_REST == len(asleep.headers)


def test_a_supervisor_can_rest_and_wake_an_endpoint(tiny_engine: TransformersEngine) -> None:
    """From another thread than the engine's. The time of the last sign of life is updated."""
    with ChatServer(tiny_engine) as one, ChatServer(tiny_engine) as other:
        engine = engine_for(one, other)
        began = engine.endpoints[0].last_sign_at
        engine.endpoints[0].rest(600.0)
        engine.caption([REQUEST] * 3)
        while_resting = len(one.payloads)
        engine.endpoints[1].rest(600.0)
        engine.endpoints[0].wake()
        engine.caption([REQUEST])
        engine.close()

    assert (0, 1, 3) == (while_resting, len(one.payloads), len(other.payloads))
    assert engine.endpoints[0].last_sign_at > began


def test_a_retry_waits_as_long_as_the_server_asks(chat_server: ChatServer) -> None:
    """A Retry-After doesn't count as a failed attempt."""
    chat_server.mishaps.append("429")
    began = time.monotonic()

    completion = ask(chat_server, max_attempts=1)

    assert (None, 2) == (completion.failure, completion.attempts)
    assert time.monotonic() - began >= 1.0


def test_another_endpoint_takes_over_from_a_lost_one(tiny_engine: TransformersEngine) -> None:
    """Nothing is recorded as failed as long as one serves."""
    with ChatServer(tiny_engine) as staying:
        with ChatServer(tiny_engine) as leaving:
            engine = engine_for(leaving, staying)
        completions = engine.caption([REQUEST] * 4)
        engine.close()

    assert [None] * 4 == [completion.failure for completion in completions]
    assert 4 == len(staying.payloads)
