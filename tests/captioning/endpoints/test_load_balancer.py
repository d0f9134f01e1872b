"""Which endpoint gets a request while another one's Retry-After lasts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.support.asking import REQUEST
from tests.support.scripted_endpoint import CAPTION, Asked, Reply, ScriptedEndpoint, say, well
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine

RETRY_AFTER_S = 3.0


def rate_limited(_: Asked) -> Reply:
    """HTTP 429 with a Retry-After."""
    return Reply(429, [b"{}"], {"Retry-After": f"{RETRY_AFTER_S:g}"})


def slow(asked: Asked) -> Reply:
    """A caption after a short delay."""
    return Reply(200, [0.02, *say(CAPTION).pieces])


def caption(count: int, threads: int, *endpoints: ScriptedEndpoint) -> float:
    """Make ``count`` captions. Returns the seconds that it took."""
    engine = ServerEngine(
        ServerConfig(urls=tuple(each.url for each in endpoints)),
        limits=RequestLimits(max_in_flight=4),
        first_pause_s=0.01,
    )
    began = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        completions = list(pool.map(lambda _: engine.caption([REQUEST])[0], range(count)))
    took_s = time.monotonic() - began
    engine.close()
    assert [None] * count == [completion.failure for completion in completions]
    return took_s


def test_an_endpoint_with_a_retry_after_blocks_no_request() -> None:
    """Refused requests are sent to another endpoint at once, and no more are sent to this one."""
    with ScriptedEndpoint(rate_limited) as limited, ScriptedEndpoint(slow) as healthy:
        took_s = caption(60, 6, limited, healthy)

    assert took_s < RETRY_AFTER_S
    assert len(limited.asked) <= 4
    assert 60 == len(healthy.asked)


def test_an_endpoint_is_asked_again_after_its_retry_after() -> None:
    """Even if requests are queued for the other one."""
    with (
        ScriptedEndpoint() as limited,
        ScriptedEndpoint(lambda _: Reply(200, [8.0, *say("").pieces])) as hangs,
    ):
        limited.chat = lambda asked: rate_limited(asked) if len(limited.asked) == 1 else well(asked)
        engine = ServerEngine(
            ServerConfig(urls=(limited.url, hangs.url)),
            limits=RequestLimits(max_in_flight=1),
            first_pause_s=0.01,
        )
        began = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            for _ in range(3):
                pool.submit(engine.caption, [REQUEST])
            while len(limited.asked) < 3:
                time.sleep(0.01)
            took_s = time.monotonic() - began
            engine.cancel_all()
        engine.close()

    assert RETRY_AFTER_S <= took_s < 8.0


def test_the_endpoint_whose_retry_after_ends_first_is_asked_first() -> None:
    """If all endpoints have one, none is asked earlier."""
    with ScriptedEndpoint() as one, ScriptedEndpoint() as other:
        for endpoint, seconds in ((one, "1"), (other, "30")):
            endpoint.chat = lambda asked, it=endpoint, s=seconds: (
                Reply(429, [b"{}"], {"Retry-After": s}) if len(it.asked) == 1 else well(asked)
            )
        took_s = caption(1, 1, one, other)

    assert 1.0 <= took_s < 5.0
    assert [2, 1] == [len(one.asked), len(other.asked)]


def test_nothing_is_sent_during_the_retry_after_of_the_only_endpoint() -> None:
    """Queued requests wait too, like the refused one."""
    asked_at: list[float] = []

    def limited(asked: Asked) -> Reply:
        asked_at.append(time.monotonic())
        return Reply(429, [b"{}"], {"Retry-After": "1"}) if len(asked_at) == 1 else well(asked)

    with ScriptedEndpoint(limited) as endpoint:
        caption(8, 8, endpoint)

    assert 9 == len(asked_at)
    assert asked_at[1] - asked_at[0] >= 1.0
