"""One request to one endpoint over HTTP, and the one file that speaks to aiohttp while captioning.

Comes in: a body. Goes out: the caption, or a RequestError that says what went wrong on the way. Every byte
that comes is a sign of life of its endpoint. Why aiohttp: docs/decisions/0021. Not its job: what an answer
means (see chat_api), trying again.
"""

from __future__ import annotations

import asyncio
import io
import time

import aiohttp
import msgspec

from triptych.captioning.endpoints.backoff import retry_after_s
from triptych.captioning.endpoints.chat_api import ChatAnswer, read_answer
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.request_errors import TimedOut, Transient, Unreachable

CONNECT_TIMEOUT_S = 5.0

KEEP_IDLE_S = 2.0
"""Servers close connections that idle, uvicorn after 5 s; a request sent at that moment would be lost."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""4,096 tokens as events are about 1 MB. More is no caption."""

SENT_AT_ONCE_BYTES = 512 * 1024
"""A larger body is handed to the connection piece by piece, so that other answers are read meanwhile."""


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long an endpoint may take."""

    first_token_s: float
    """To the first byte of the answer, its queue included."""
    token_s: float
    """From then on between any two."""
    total_s: float


def open_session(api_key: str | None) -> aiohttp.ClientSession:
    """The connections to all endpoints. How many there are is bounded by what is in flight."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_IDLE_S),
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
    )


async def exchange(
    session: aiohttp.ClientSession, endpoint: Endpoint, body: bytes, limits: TimeLimits
) -> ChatAnswer:
    """Send ``body`` and read the answer to its end. Raises a RequestError."""
    answer = _Answer(endpoint, limits)
    cut: str | None = None
    try:
        await answer.read(session, body)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unreachable(f"{endpoint.url} can't be reached ({error})") from None
    except TimeoutError:
        raise TimedOut(f"{endpoint.url} gave {answer.waited_for}") from None
    except (aiohttp.ClientError, OSError) as error:
        cut = f"{type(error).__name__}: {error}"
        if answer.status is None:
            raise Transient(f"{endpoint.url}, {cut}") from None
    return read_answer(
        answer.status or 0,
        bytes(answer.content),
        endpoint.url,
        retry_after_s=retry_after_s(answer.retry_after),
        cut=cut,
    )


class _Answer:
    """What has come of an answer so far."""

    def __init__(self, endpoint: Endpoint, limits: TimeLimits) -> None:
        self.status: int | None = None
        self.retry_after: str | None = None
        self.content = bytearray()
        self.waited_for = ""
        self._endpoint = endpoint
        self._limits = limits

    async def read(self, session: aiohttp.ClientSession, body: bytes) -> None:
        limits, loop = self._limits, asyncio.get_running_loop()
        ends_at = loop.time() + limits.total_s
        self.waited_for = f"no token within {min(limits.first_token_s, limits.total_s):g} s"
        async with asyncio.timeout_at(min(ends_at, loop.time() + limits.first_token_s)) as patience:
            async with session.post(
                f"{self._endpoint.url}/chat/completions",
                data=body if len(body) <= SENT_AT_ONCE_BYTES else io.BytesIO(body),
                headers={"Content-Type": "application/json"},
            ) as response:
                self.status = response.status
                self.retry_after = response.headers.get("Retry-After")
                async for piece in response.content.iter_any():
                    self._endpoint.last_sign_at = time.monotonic()
                    self.content += piece
                    if len(self.content) > MAX_ANSWER_BYTES:
                        raise Transient(f"{self._endpoint.url} gave more than {MAX_ANSWER_BYTES:,} bytes")
                    if piece.startswith(b":"):
                        continue  # a comment that keeps the connection open is no token
                    if loop.time() + limits.token_s < ends_at:
                        self.waited_for = f"no further token within {limits.token_s:g} s"
                        patience.reschedule(loop.time() + limits.token_s)
                    else:
                        self.waited_for = f"no whole answer within {limits.total_s:g} s"
                        patience.reschedule(ends_at)
