"""The server of `triptych report RUN --serve`: the report's page, live, with original pictures and search.

Comes in: a run folder that another process may be writing, requests of browsers that know the token. Goes
out: the page, its state, pictures, search results. It takes no lock and writes nothing but people's verdicts,
to a file of their own. What may take long is done in threads, one search at a time. Not its job: what the
page shows (see triptych.report.opened, watch), the page itself (see page/).
"""

from __future__ import annotations

import asyncio
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
from triptych.report.live.places import Places
from triptych.report.live.samples import Samples
from triptych.report.live.watch import Watch
from triptych.report.stage import render
from triptych.runs.human_verdicts import append_verdict, decode_verdict, stored_verdicts
from triptych.runs.jsonl import UNDECODABLE
from triptych.runs.stage_record import Setting

MOST_FOUND = 60
MOST_DIGITS = 16
LONGEST_QUERY = 500
LARGEST_VERDICT_BYTES = 256 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LiveReport:
    """The handlers, for one run. Everything is below the path of a token that only the address tells."""

    def __init__(self, path: Path, token: str | None = None) -> None:
        """Raises SetupError where ``path`` is no run."""
        self.token = token or secrets.token_urlsafe(16)
        self._path = path
        self._watch = Watch(path)
        self._places = Places()
        self._pictures = Pictures(self._places)
        self._samples = Samples(self._watch)
        self._searching = asyncio.Lock()
        self._searched: Run | None = None

    def application(self) -> web.Application:
        """To be run by aiohttp."""
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
        """Without the token there is nothing; what goes wrong is one line."""
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
        return _json(await asyncio.to_thread(self._watch.state, _number(request, "after") or 0))

    async def _images(self, request: web.Request) -> web.Response:
        """The keys of a set's images."""
        return _json(
            await asyncio.to_thread(self._places.keys_of, self._watch.run.folder, _word(request, "set"))
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
        """By the run's own encoder: it is loaded once, and again only where the run has another."""
        now = self._watch.run
        if self._searched is None or _encoder_of(self._searched) != _encoder_of(now):
            self._searched = now
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

    Raises SetupError where ``path`` is no run, UsageError where ``host`` and ``port`` can't be had.
    """
    report = LiveReport(path)
    try:
        listening = socket.create_server((host, port), family=_family(host))
    except OSError as error:
        raise UsageError(
            f"{host} port {port}: {error.strerror or error}; name an address of this machine with --host, or"
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
    """As it is: a name may begin or end with a space."""
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
