"""The one HTTP client: requests to endpoints, and the one file that speaks to aiohttp.

Comes in: a body, or a question. Goes out: the caption, or a RequestError that says what went wrong on the
way; nothing of what was sent in secret. For all requests alike: proxies by the environment, none for this
machine; certificates of the system and those of a file; no redirect is followed but to the same path with a
slash, and no .netrc is read; an answer is bounded in bytes and time. Every byte that comes is a sign of life
of its endpoint. Why aiohttp: docs/decisions/0021. Not its job: what an answer means (see chat_api), trying
again.
"""

from __future__ import annotations

import asyncio
import io
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from triptych.captioning.endpoints.backoff import retry_after_s
from triptych.captioning.endpoints.chat_api import ChatAnswer, read_answer
from triptych.captioning.endpoints.endpoint import Endpoint
from triptych.captioning.endpoints.proxies import proxy_for, without_login
from triptych.captioning.endpoints.request_errors import RequestError, TimedOut, Transient, Unreachable, shown
from triptych.captioning.endpoints.secrets import Secrets, password_of
from triptych.errors import SetupError

CONNECT_TIMEOUT_S = 5.0

KEEP_IDLE_S = 2.0
"""Servers close connections that idle, uvicorn after 5 s; a request sent at that moment would be lost."""

ENDS_WITHIN_S = 1.0
"""How long a connection may take to end behind the last line of an answer."""

FINISHES_WITHIN_S = 5.0
"""How long an answer may take to end behind its finish reason: a count of tokens may follow."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""4,096 tokens as events are about 1 MB. More is no caption, and no list of models."""

SENT_AT_ONCE_BYTES = 512 * 1024
"""A larger body is handed to the connection piece by piece, so that other answers are read meanwhile."""

_NO_TOKEN = re.compile(
    rb"[ \t]*$|:|(?:event|id|retry):|data:[ \t]*(?:$|\"?ping|\{[ \t]*\"type\"[ \t]*:[ \t]*\"ping)"
)
"""A line of a stream that only keeps the connection open."""

TELLING_BYTES = 24

_FINISHED = re.compile(rb"\"finish_reason\"[ ]?:[ ]?\"(?!null|none)\w", re.IGNORECASE)
"""In a line of a stream that says why the text ends."""


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long an endpoint may take."""

    first_token_s: float
    """To the first token of the answer, its queue included."""
    token_s: float
    """From then on between any two."""
    total_s: float


class Response(msgspec.Struct, frozen=True):
    """An answer. ``cut`` says how it ended where it did not end well."""

    status: int
    content: bytes
    retry_after: str | None = None
    cut: Transient | None = None


class HttpClient:
    """The connections to all endpoints. How many there are is bounded by what is in flight."""

    def __init__(
        self,
        urls: Iterable[str],
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        ca_file: Path | None = None,
    ) -> None:
        """In a running event loop. Raises SetupError for a proxy or a file that can't be used."""
        self._proxies = {_origin(url): proxy_for(url) for url in urls}
        logins = [secret for proxy in self._proxies.values() if proxy for secret in password_of(proxy)]
        self.secrets = Secrets([*secrets, *logins])
        self._slashed: set[str] = set()
        """URLs that are served with a slash behind them, and say so by a redirect."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEEP_IDLE_S, ssl=_certificates(ca_file)
            ),
            headers=dict(headers or {}),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def name(self, url: str) -> str:
        """An endpoint in a message, with the proxy on the way to it."""
        proxy = self._proxies[_origin(url)]
        return url if proxy is None else f"{url} (through the proxy {without_login(proxy)})"

    async def chat(self, endpoint: Endpoint, body: bytes, limits: TimeLimits) -> ChatAnswer:
        """Send ``body`` and read the answer to its end. Raises a RequestError, or SetupError where the
        endpoint was set up wrongly."""
        response = await self._send(endpoint, "/chat/completions", body, limits)
        try:
            answer = read_answer(
                response.status,
                response.content,
                self.name(endpoint.url),
                retry_after_s=retry_after_s(response.retry_after),
                cut=response.cut,
            )
        except (RequestError, SetupError) as error:
            error.args = (self.secrets.removed(str(error)),)
            raise
        text = self.secrets.removed_from_caption(answer.text)
        return answer if text == answer.text else msgspec.structs.replace(answer, text=text)

    async def models(self, endpoint: Endpoint, within_s: float) -> Response:
        """What ``/models`` answers. Raises a RequestError where nothing whole comes."""
        limits = TimeLimits(first_token_s=within_s, token_s=within_s, total_s=within_s)
        response = await self._send(endpoint, "/models", None, limits)
        if response.cut is not None:
            raise response.cut
        return response

    async def _send(self, endpoint: Endpoint, path: str, body: bytes | None, limits: TimeLimits) -> Response:
        url = endpoint.url + path
        asked = f"{url}/" if url in self._slashed else url
        answer, cut = await self._exchange(endpoint, asked, body, limits)
        if 300 <= answer.status < 400:
            target = _target(url, answer.location)
            if asked == url and _is_same_place(url, target) and target.endswith("/"):
                self._slashed.add(url)
                return await self._send(endpoint, path, body, limits)
            raise SetupError(self._sent_away(endpoint, path, asked, answer))
        content = bytes(answer.content)
        if body is None or not 200 <= answer.status < 300:
            content = self.secrets.removed_from_bytes(content)
        return Response(answer.status, content, answer.retry_after, cut)

    async def _exchange(
        self, endpoint: Endpoint, url: str, body: bytes | None, limits: TimeLimits
    ) -> tuple[_Answer, Transient | None]:
        """An answer, and what cut it where something did."""
        where = self.name(endpoint.url)
        answer = _Answer(endpoint, limits)
        cut: Transient | None = None
        try:
            await answer.read(self._request(url, body))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise SetupError(
                f"{where}: no safe connection ({self._words(error)}); name the file with its authority's"
                " certificate in --ca-file, or http:// where it is meant"
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise Unreachable(f"{where} can't be reached ({self._words(error)})") from None
        except TimeoutError:
            if not answer.is_whole:
                cut = TimedOut(f"{where} gave {answer.waited_for}")
        except aiohttp.ClientHttpProxyError as error:
            raise Unreachable(f"{where}: the proxy answered HTTP {error.status}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cut = Transient(f"{where}, {type(error).__name__}: {self._words(error)}")
        if cut is not None and not answer.status:
            raise cut
        if len(answer.content) > MAX_ANSWER_BYTES:
            raise Transient(f"{where} gave more than {MAX_ANSWER_BYTES:,} bytes")
        return answer, cut

    def _sent_away(self, endpoint: Endpoint, path: str, asked: str, answer: _Answer) -> str:
        """What a redirect that isn't followed says, and what to do."""
        where, status = self.name(endpoint.url), f"(HTTP {answer.status})"
        if not answer.location:
            return f"{where} sends its callers to nowhere {status}; name another endpoint with --server"
        target = _target(asked, answer.location)
        if _is_same_place(asked, target):
            return (
                f"{where} sends callers of {path} back to it {status}, and no other --server would help:"
                " mend that redirect, at the server or at the gateway in front of it"
            )
        base = self._words(target.rstrip("/")).removesuffix(path)
        return f"{where} sends its callers to {base} {status}; name that with --server, if it is right"

    def _request(self, url: str, body: bytes | None) -> Any:
        return self._session.request(
            "GET" if body is None else "POST",
            url,
            data=body if body is None or len(body) <= SENT_AT_ONCE_BYTES else io.BytesIO(body),
            headers=None if body is None else {"Content-Type": "application/json"},
            proxy=self._proxies[_origin(url)],
            allow_redirects=False,
        )

    def _words(self, error: object) -> str:
        return shown(self.secrets.removed(str(error)))


def _target(url: str, location: str) -> str:
    """Where a redirect leads, as it was said where it can't be read."""
    try:
        return urlsplit(urljoin(url, location)).geturl()
    except ValueError:
        return location


def _is_same_place(url: str, target: str) -> bool:
    """Whether a redirect leads to where it came from, but for a slash at the end."""
    return url.rstrip("/").lower() == target.rstrip("/").lower()


def _origin(url: str) -> str:
    return urlsplit(url).netloc


def _certificates(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise SetupError(
            f"captioning.server.ca_file {ca_file} can't be read ({error}); expected certificates as PEM",
            path=ca_file,
        ) from None
    return context


_LAST_BYTES = 64
"""That tell whether an answer's last line has come."""


class _Answer:
    """What has come of an answer so far."""

    def __init__(self, endpoint: Endpoint, limits: TimeLimits) -> None:
        self.status = 0
        self.retry_after: str | None = None
        self.location = ""
        self.content = bytearray()
        self.waited_for = ""
        self.is_whole = False
        """Whether its last line has come, though the connection may stay open."""
        self._is_finished = False
        """Whether it has said why its text ends."""
        self._seen = 0
        self._endpoint = endpoint
        self._limits = limits

    async def read(self, request: Any) -> None:
        """Until it ends, or is longer than MAX_ANSWER_BYTES."""
        limits, loop = self._limits, asyncio.get_running_loop()
        ends_at = loop.time() + limits.total_s
        self.waited_for = f"no token within {min(limits.first_token_s, limits.total_s):g} s"
        async with asyncio.timeout_at(min(ends_at, loop.time() + limits.first_token_s)) as patience:
            async with request as response:
                self.status = response.status
                self.retry_after = response.headers.get("Retry-After")
                self.location = response.headers.get("Location", "")
                async for piece in response.content.iter_any():
                    self._endpoint.last_sign_at = time.monotonic()
                    self.content += piece
                    if len(self.content) > MAX_ANSWER_BYTES:
                        return
                    if self.content[-_LAST_BYTES:].rstrip().endswith(b"[DONE]"):
                        self.is_whole = True
                        patience.reschedule(loop.time() + ENDS_WITHIN_S)
                        continue
                    if not self._has_new_token():
                        continue
                    wait_s = min(limits.token_s, FINISHES_WITHIN_S) if self._is_finished else limits.token_s
                    if loop.time() + wait_s < ends_at:
                        self.waited_for = f"no further token within {wait_s:g} s"
                        patience.reschedule(loop.time() + wait_s)
                    else:
                        self.waited_for = f"no whole answer within {limits.total_s:g} s"
                        patience.reschedule(ends_at)

    def _has_new_token(self) -> bool:
        """Whether the new lines hold more than what keeps a connection open, wherever pieces are cut. The
        beginning of a line counts when it is long enough to tell."""
        *whole, begun = self.content[self._seen :].replace(b"\r", b"\n").split(b"\n")
        is_token = any(_NO_TOKEN.match(line) is None for line in whole)
        self._is_finished = self._is_finished or any(map(_FINISHED.search, whole))
        if len(begun) >= TELLING_BYTES and _NO_TOKEN.match(begun) is None:
            is_token, begun = True, bytearray()
        self._seen = len(self.content) - len(begun)
        return is_token
