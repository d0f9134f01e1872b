"""The HTTP client for endpoints, and the only file here that imports aiohttp.

Comes in: the body of a request. Goes out: the answer without the secrets that were sent, or a RequestError.
For all requests: proxies from the environment, but not for this machine; the system's certificates and those
of a file; redirects only to the same path with a slash; no .netrc; bounds on bytes and time. Each byte that
comes is noted as a sign of life of its endpoint. Why aiohttp: docs/decisions/0021. Not its job: what an
answer means (see chat_api), retries.
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
from triptych.captioning.endpoints.request_errors import (
    RequestError,
    TimedOut,
    Transient,
    Unreachable,
    excerpt,
)
from triptych.captioning.endpoints.secrets import Secrets, password_of
from triptych.errors import SetupError

CONNECT_TIMEOUT_S = 5.0

KEEP_IDLE_S = 2.0
"""Servers close idle connections, uvicorn after 5 s; a request sent at that moment would be lost."""

ENDS_WITHIN_S = 1.0
"""How long a connection may stay open after ``[DONE]``."""

FINISHES_WITHIN_S = 5.0
"""How long an answer may go on after its finish reason: token counts may follow."""

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""4,096 tokens as events are about 1 MB. More is neither a caption nor a list of models."""

MAX_HEADER_BYTES = 64 * 1024
"""Of one header: gateways send long policies."""

SENT_AT_ONCE_BYTES = 512 * 1024
"""Larger bodies are sent in pieces, so that other answers are read in between."""

_KEEP_ALIVE_LINE = re.compile(
    rb"[ \t]*$|:|(?:event|id|retry):|data:[ \t]*(?:$|\"?ping|\{[ \t]*\"type\"[ \t]*:[ \t]*\"ping)"
)
"""A line of a stream without any token."""

TELLING_BYTES = 24
"""From this length on, the beginning of a line shows whether it has a token."""

_FINISHED = re.compile(rb"\"finish_reason\"[ ]?:[ ]?\"(?!null|none)\w", re.IGNORECASE)


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long an endpoint may take."""

    first_token_s: float
    """To the first token, time in the server's queue included."""
    token_s: float
    """Between two tokens."""
    total_s: float


class Response(msgspec.Struct, frozen=True):
    """An answer. ``cut`` is the error that broke it off, if any."""

    status: int
    content: bytes
    retry_after: str | None = None
    cut: Transient | None = None


class HttpClient:
    """The connections to all endpoints, as many as there are requests in flight."""

    def __init__(
        self,
        urls: Iterable[str],
        headers: Mapping[str, str] | None = None,
        secrets: Iterable[str] = (),
        ca_file: Path | None = None,
    ) -> None:
        """Needs a running event loop. Raises SetupError for a proxy or a file that can't be used."""
        self._proxies = {_origin(url): proxy_for(url) for url in urls}
        logins = [secret for proxy in self._proxies.values() if proxy for secret in password_of(proxy)]
        self.secrets = Secrets([*secrets, *logins])
        self._slashed: set[str] = set()
        """URLs whose server redirects to the same URL with a slash."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, keepalive_timeout=KEEP_IDLE_S, ssl=_certificates(ca_file)
            ),
            headers=dict(headers or {}),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    def name(self, url: str) -> str:
        """An endpoint's name in messages, with its proxy if there is one."""
        proxy = self._proxies[_origin(url)]
        return url if proxy is None else f"{url} (through the proxy {without_login(proxy)})"

    async def chat(self, endpoint: Endpoint, body: bytes, limits: TimeLimits) -> ChatAnswer:
        """Send ``body`` and read the whole answer. Raises a RequestError, or SetupError where the endpoint is
        misconfigured."""
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
        """The answer of ``/models``. Raises a RequestError where it isn't complete."""
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
            raise SetupError(self._redirect_error(endpoint, path, asked, answer))
        content = bytes(answer.content)
        if body is None or not 200 <= answer.status < 300:
            content = self.secrets.removed_from_bytes(content)
        return Response(answer.status, content, answer.retry_after, cut)

    async def _exchange(
        self, endpoint: Endpoint, url: str, body: bytes | None, limits: TimeLimits
    ) -> tuple[_Answer, Transient | None]:
        """An answer, and the error that broke it off, if any."""
        where = self.name(endpoint.url)
        answer = _Answer(endpoint, limits)
        cut: Transient | None = None
        try:
            await answer.read(self._request(url, body))
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise SetupError(
                f"{where}: no secure connection ({self._excerpt(error)}); name the file with its authority's"
                " certificate in --ca-file, or use http:// if that is meant"
            ) from None
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            reason = self._excerpt(error.strerror or error)  # aiohttp repeats host and port
            raise Unreachable(f"{where} can't be reached ({reason})") from None
        except TimeoutError:
            if not answer.is_whole:
                cut = TimedOut(f"{where} gave {answer.waited_for}")
        except aiohttp.ClientHttpProxyError as error:
            raise Unreachable(f"{where}: the proxy answered HTTP {error.status}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            cut = Transient(f"{where}, {type(error).__name__}: {self._excerpt(error)}")
        if cut is not None and not answer.status:
            raise cut
        if len(answer.content) > MAX_ANSWER_BYTES:
            raise Transient(f"{where} gave more than {MAX_ANSWER_BYTES:,} bytes")
        return answer, cut

    def _redirect_error(self, endpoint: Endpoint, path: str, asked: str, answer: _Answer) -> str:
        """Why a redirect isn't followed, and what to do."""
        where, status = self.name(endpoint.url), f"(HTTP {answer.status})"
        if not answer.location:
            return f"{where} redirects without a location {status}; name another endpoint with --server"
        target = _target(asked, answer.location)
        if _is_same_place(asked, target):
            return (
                f"{where} redirects {path} to itself {status}, so another --server wouldn't help: fix the"
                " redirect, at the server or at the gateway in front of it"
            )
        base = self._excerpt(target.rstrip("/")).removesuffix(path)
        return f"{where} redirects to {base} {status}; name that with --server if it is right"

    def _request(self, url: str, body: bytes | None) -> Any:
        return self._session.request(
            "GET" if body is None else "POST",
            url,
            data=body if body is None or len(body) <= SENT_AT_ONCE_BYTES else io.BytesIO(body),
            headers=None if body is None else {"Content-Type": "application/json"},
            proxy=self._proxies[_origin(url)],
            allow_redirects=False,
        )

    def _excerpt(self, error: object) -> str:
        return excerpt(self.secrets.removed(str(error)))


def _target(url: str, location: str) -> str:
    """The URL that a redirect leads to; ``location`` itself where it is no valid URL."""
    try:
        return urlsplit(urljoin(url, location)).geturl()
    except ValueError:
        return location


def _is_same_place(url: str, target: str) -> bool:
    """Whether two URLs are the same but for case and a slash at the end."""
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
"""Searched for ``[DONE]``."""


class _Answer:
    """An answer while it is received."""

    def __init__(self, endpoint: Endpoint, limits: TimeLimits) -> None:
        self.status = 0
        self.retry_after: str | None = None
        self.location = ""
        self.content = bytearray()
        self.waited_for = ""
        self.is_whole = False
        """Whether ``[DONE]`` has come, though the connection may stay open."""
        self._finish_reasons = 0
        """Several are no sign of the end: some gateways send one with each piece."""
        self._scanned = 0
        """Bytes that were searched for tokens."""
        self._endpoint = endpoint
        self._limits = limits

    async def read(self, request: Any) -> None:
        """Receive it to its end, or until it is longer than MAX_ANSWER_BYTES."""
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
                    has_ended = self._finish_reasons == 1
                    wait_s = min(limits.token_s, FINISHES_WITHIN_S) if has_ended else limits.token_s
                    if loop.time() + wait_s < ends_at:
                        self.waited_for = f"no further token within {wait_s:g} s"
                        patience.reschedule(loop.time() + wait_s)
                    else:
                        self.waited_for = f"no whole answer within {limits.total_s:g} s"
                        patience.reschedule(ends_at)

    def _has_new_token(self) -> bool:
        """Whether new lines have come that are no keep-alive. An unfinished line counts from TELLING_BYTES
        on."""
        *whole, begun = self.content[self._scanned :].replace(b"\r", b"\n").split(b"\n")
        is_token = any(_KEEP_ALIVE_LINE.match(line) is None for line in whole)
        self._finish_reasons += sum(_FINISHED.search(line) is not None for line in whole)
        if len(begun) >= TELLING_BYTES and _KEEP_ALIVE_LINE.match(begun) is None:
            is_token, begun = True, bytearray()
        self._scanned = len(self.content) - len(begun)
        return is_token
