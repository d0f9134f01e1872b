"""The server of `triptych report RUN --serve`: the live page, with original images and search.

Comes in: a run folder that another process may be writing to, requests of browsers that know the token. Goes
out: the page, its state, images, search results. It takes no lock and writes nothing except people's
verdicts, to a file of their own. Slow work is done in threads, one search at a time. Not its job: the page's
content (see triptych.report.run_content, watch), the page itself (see page/).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from triptych.api import Run
from triptych.errors import TriptychError, UsageError
from triptych.grouping.search import FoundImage
from triptych.report.live.pictures import Pictures
from triptych.report.live.record_index import RecordIndex
from triptych.report.live.samples import Samples
from triptych.report.live.watch import Watch
from triptych.report.render import render
from triptych.runs.human_verdicts import append_verdict, decode_verdict, stored_verdicts
from triptych.runs.jsonl import UNDECODABLE
from triptych.runs.stage_record import Setting

MOST_FOUND = 60
MOST_DIGITS = 16
LONGEST_QUERY = 500
LARGEST_VERDICT_BYTES = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LiveReport:
    """The request handlers for one run. All paths are below a secret token, which is part of the address."""

    def __init__(self, path: Path, token: str | None = None) -> None:
        """Raises SetupError if ``path`` is not a run."""
        self.token = token or secrets.token_urlsafe(16)
        self._path = path
        self._watch = Watch(path)
        self._records = RecordIndex()
        self._pictures = Pictures(self._records)
        self._samples = Samples(self._watch)
        self._searching = asyncio.Lock()
        self._searched: Run | None = None

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(client_max_size=LARGEST_VERDICT_BYTES, middlewares=[self._guarded])
        application.add_routes(
            [
                web.get("/{token}/", self._page),
                web.get("/{token}/state", self._state),
                web.get("/{token}/images", self._images),
                web.get("/{token}/picture", self._picture),
                web.get("/{token}/search", self._search),
                web.post("/{token}/verdicts", self._verdict),
            ]
        )
        return application

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer 404 without the token; errors become one line."""
        token = request.match_info.get("token", "")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            raise web.HTTPNotFound
        try:
            response = await handler(request)
        except (TriptychError, OSError) as error:
            response = web.Response(status=400 if isinstance(error, UsageError) else 503, text=str(error))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'")
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _page(self, request: web.Request) -> web.Response:
        content = await asyncio.to_thread(self._samples.content)
        verdicts = await asyncio.to_thread(stored_verdicts, self._path, content.identity.report)
        content = msgspec.structs.replace(content, live=True, verdicts=verdicts)
        page = await asyncio.to_thread(render, content)
        return web.Response(
            body=page,
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": "frame-ancestors 'none'"},  # the rest is in the page
        )

    async def _state(self, request: web.Request) -> web.Response:
        state = await asyncio.to_thread(self._watch.state, _number(request, "after") or 0)
        return _json(msgspec.structs.replace(state, has_samples=self._samples.are_drawn()))

    async def _images(self, request: web.Request) -> web.Response:
        """The keys of a set's images."""
        return _json(
            await asyncio.to_thread(self._records.keys_of, self._watch.run.folder, _word(request, "set"))
        )

    async def _picture(self, request: web.Request) -> web.Response:
        key, shard, side_px = _word(request, "key"), request.query.get("shard"), _number(request, "side")
        found = await asyncio.to_thread(self._pictures.picture, self._watch.run, key, shard, side_px)
        if found is None:
            raise web.HTTPNotFound(text="no such image in this run")
        headers = {"Cache-Control": "private, max-age=3600"}
        return web.Response(body=found.content, content_type=found.media_type, headers=headers)

    async def _search(self, request: web.Request) -> web.Response:
        words = _word(request, "words").strip()[:LONGEST_QUERY]
        async with self._searching:
            return _json(await asyncio.to_thread(self._found, words))

    def _found(self, words: str) -> list[FoundImage]:
        """Search with the run's encoder. It is loaded once, and again only if the run has another."""
        run = self._watch.run
        if self._searched is None or _encoder_of(self._searched) != _encoder_of(run):
            self._searched = run
        return self._searched.search(words, count=MOST_FOUND)

    async def _verdict(self, request: web.Request) -> web.Response:
        try:
            verdict = decode_verdict(await request.read())
        except UNDECODABLE as error:
            raise web.HTTPBadRequest(text=f"expected one verdict, found {error}") from None
        await asyncio.to_thread(append_verdict, self._path, verdict)
        return web.Response(status=204)


def serve_report(path: Path, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serve the page of the run in ``path`` until Ctrl-C. ``port`` 0: any free one.

    Raises SetupError if ``path`` is not a run, UsageError if ``host`` and ``port`` can't be used.
    """
    report = LiveReport(path)
    try:
        listening = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise UsageError(
            f"{host} port {port}: {reason}; name an address of this machine with --host, or"
            " another port with --port, 0 for any free one"
        ) from None
    with listening:
        bound, free_port = listening.getsockname()[:2]
        reached = socket.gethostname() if ip_address(bound).is_unspecified else host
        shown = f"[{reached}]" if ":" in reached else reached
        say(f"http://{shown}:{free_port}/{report.token}/")
        web.run_app(report.application(), sock=listening, print=None, access_log=None)


def _family(host: str) -> socket.AddressFamily:
    try:
        return socket.AddressFamily(socket.getaddrinfo(host, None)[0][0])
    except OSError as error:
        raise UsageError(
            f"--host {host}: {error.strerror or error}; name an address of this machine"
        ) from None


def _word(request: web.Request, name: str) -> str:
    """A parameter, not stripped: names may begin or end with a space."""
    if not (word := request.query.get(name, "")).strip():
        raise UsageError(f"{name} is missing")
    return word


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is not None and not (text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS):
        raise UsageError(f"{name} is {text!r}; expected a number")
    return None if text is None else int(text)


def _encoder_of(run: Run) -> Setting:
    state = run.folder.run_file.stages.get("embeddings")
    return state.settings.get("encoder") if state is not None else None


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
