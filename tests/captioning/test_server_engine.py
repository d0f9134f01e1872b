"""The engine that asks endpoints, against a real HTTP server that runs the model and can misbehave."""

from __future__ import annotations

import base64
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from captioning.config import CaptioningConfig
from captioning.engines import CaptionRequest, Completion
from captioning.server_engine import HOPELESS_STREAK, ServerEngine
from captioning.tiles import fit_to_tiles
from captioning.transformers_engine import TransformersEngine
from corpus.errors import SetupError
from tests.captioning.chat_server import SERVED_MODEL, ChatServer
from tests.captioning.small_run import picture

REQUEST = CaptionRequest(
    id="single_en:a.jpg",
    prompt="Describe what the image shows.",
    images=(fit_to_tiles(picture(1), (1, 1), 112),),
    max_tokens=12,
)


def asking(*servers: ChatServer, **settings: object) -> ServerEngine:
    """An engine that hardly pauses."""
    config = CaptioningConfig(servers=tuple(server.url for server in servers), **settings)
    return ServerEngine(config, first_pause_s=0.01)


def ask(*servers: ChatServer, **settings: object) -> Completion:
    """The completion of REQUEST."""
    engine = asking(*servers, **settings)
    try:
        return engine.caption([REQUEST])[0]
    finally:
        engine.close()


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_endpoint_says_word_for_word_what_the_in_process_engine_says(
    chat_server: ChatServer, tiny_engine: TransformersEngine
) -> None:
    """On single images and sets, many at a time: text, finish reason and token counts."""
    requests = [
        CaptionRequest(
            id=f"{number}",
            prompt="Describe what the images show.",
            images=tuple(fit_to_tiles(picture(number + k), (1, 1), 112) for k in range(1 + number % 3)),
            max_tokens=24,
        )
        for number in range(12)
    ]
    engine = asking(chat_server)

    with ThreadPoolExecutor(6) as pool:
        asked = [completions[0] for completions in pool.map(lambda r: engine.caption([r]), requests)]
    engine.close()

    assert tiny_engine.caption(requests) == asked


def test_a_request_is_greedy_in_openais_form_with_data_urls(chat_server: ChatServer) -> None:
    """Images numbered in the words between them; top_k for servers that sample whatever is said."""
    pair = CaptionRequest(id="x", prompt="Compare.", images=REQUEST.images * 2, max_tokens=7)
    engine = asking(chat_server)
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
    """And sent as a bearer token."""
    monkeypatch.setenv("ENDPOINT_KEY", "s3cret")

    ask(chat_server, api_key_env="ENDPOINT_KEY")

    assert "Bearer s3cret" == chat_server.headers[0]["Authorization"]


def test_a_key_variable_that_is_not_set_is_one_line(chat_server: ChatServer) -> None:
    """With what to type."""
    with pytest.raises(SetupError, match="names NO_SUCH_KEY, which is not set; export NO_SUCH_KEY=KEY"):
        asking(chat_server, api_key_env="NO_SUCH_KEY")


@pytest.mark.parametrize(
    "mishap",
    ["500", "503", "404", "500 in a 200", "dead node in a 200", "abort", "malformed", "no choices", "reset"],
)
def test_a_fault_that_may_pass_is_tried_again(chat_server: ChatServer, mishap: str) -> None:
    """Twice the fault, then the caption, which counts its attempts."""
    chat_server.mishaps.extend([mishap, mishap])

    completion = ask(chat_server)

    assert (None, 3) == (completion.failure, completion.attempts)
    assert completion.text


def test_an_answer_that_does_not_come_in_time_is_tried_again(chat_server: ChatServer) -> None:
    """A hanging request doesn't hold up the run for ever."""
    chat_server.mishaps.append("hang")

    completion = ask(chat_server, timeout_s=3.0)

    assert (None, 2) == (completion.failure, completion.attempts)


@pytest.mark.parametrize(
    ("mishap", "said"), [("400", "planned 400"), ("413", "planned 413"), ("400 in a 200", "too long")]
)
def test_a_refusal_is_recorded_at_once(chat_server: ChatServer, mishap: str, said: str) -> None:
    """With the endpoint's own words."""
    chat_server.mishaps.append(mishap)

    completion = ask(chat_server)

    assert 1 == completion.attempts
    assert completion.failure is not None
    assert completion.failure.startswith("refused: ")
    assert said in completion.failure


def test_a_fault_that_does_not_pass_is_recorded(chat_server: ChatServer) -> None:
    """After max_attempts, while the endpoint still says that it serves."""
    chat_server.mishaps.extend(["500"] * 3)

    completion = ask(chat_server, max_attempts=3)

    assert 3 == completion.attempts
    assert re.fullmatch(r"no answer: http://.*/v1, HTTP 500: .*planned 500.*", completion.failure or "")


def test_an_endpoint_that_is_gone_ends_the_run_instead_of_failing_every_caption(
    chat_server: ChatServer,
) -> None:
    """A million recorded failures would have to be asked again."""
    engine = asking(chat_server, max_attempts=2)
    chat_server.stop()

    with pytest.raises(SetupError, match=rf"no longer serves {SERVED_MODEL} .*captions so far stay"):
        engine.caption([REQUEST])
    engine.close()


def test_an_endpoint_that_refuses_everything_ends_the_run(chat_server: ChatServer) -> None:
    """So many in a row without a caption between are not the requests' fault."""
    chat_server.mishaps.extend(["400"] * HOPELESS_STREAK)
    engine = asking(chat_server)

    failures = engine.caption([REQUEST] * (HOPELESS_STREAK - 1))
    with pytest.raises(
        SetupError, match=f"failed {HOPELESS_STREAK} requests in a row, the last with: refused"
    ):
        engine.caption([REQUEST])
    engine.close()

    assert all(completion.failure for completion in failures)


def test_a_key_that_is_refused_ends_the_run(chat_server: ChatServer) -> None:
    """It's the set-up that is wrong, not the request."""
    chat_server.mishaps.append("401")

    with pytest.raises(SetupError, match=r"refuses access .HTTP 401.*captioning\.api_key_env"):
        ask(chat_server)


def test_an_endpoint_that_is_not_there_is_one_line() -> None:
    """Before any work starts."""
    url = f"http://127.0.0.1:{closed_port()}"

    with pytest.raises(SetupError, match=rf"endpoint {url}/v1 can't be reached .*--server"):
        ServerEngine(CaptioningConfig(servers=(url,)))


def test_a_model_that_an_endpoint_does_not_serve_is_one_line(chat_server: ChatServer) -> None:
    """With what it does serve."""
    with pytest.raises(SetupError, match=f"serves {SERVED_MODEL}, not other/model; name a served model"):
        asking(chat_server, model="other/model")


def test_requests_go_to_the_endpoint_with_the_fewest_in_flight(tiny_engine: TransformersEngine) -> None:
    """While one hangs on to a request, the others get the rest."""
    with ChatServer(tiny_engine) as slow, ChatServer(tiny_engine) as quick:
        engine = asking(slow, quick, max_in_flight=1)
        slow.mishaps.append("hang")
        with ThreadPoolExecutor(2) as pool:
            held = pool.submit(engine.caption, [REQUEST])
            while not slow.headers:
                pass
            completions = pool.submit(engine.caption, [REQUEST] * 5).result()
            slow.released.set()
            held.result()
        engine.close()

    assert 2 == engine.concurrency
    assert all(completion.failure is None for completion in completions)
    assert len(quick.payloads) >= 5


def test_an_endpoint_that_says_unavailable_is_left_alone_for_a_while(
    tiny_engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers at once, so it always has the fewest in flight, and would be asked first every time."""
    monkeypatch.setattr("captioning.server_engine.time.sleep", lambda _: None)
    with ChatServer(tiny_engine) as asleep, ChatServer(tiny_engine) as awake:
        asleep.mishaps.extend(["503"] * 9)
        engine = ServerEngine(CaptioningConfig(servers=(asleep.url, awake.url)), first_pause_s=60.0)
        completions = engine.caption([REQUEST] * 5)
        engine.close()

    assert [2, 1, 1, 1, 1] == [completion.attempts for completion in completions]
    assert 1 == len(asleep.headers)


def test_another_endpoint_takes_over_from_one_that_is_gone(tiny_engine: TransformersEngine) -> None:
    """Nothing is recorded as failed while one still serves."""
    with ChatServer(tiny_engine) as staying:
        with ChatServer(tiny_engine) as leaving:
            engine = asking(leaving, staying)
        completions = engine.caption([REQUEST] * 4)
        engine.close()

    assert [None] * 4 == [completion.failure for completion in completions]
    assert 4 == len(staying.payloads)
