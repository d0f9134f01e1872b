"""Endpoints with slots and a latency that fail a share of the requests, in a child process.

    with FaultServer(endpoints=2, slots=64, latency_s=0.5, faults=0.2, seed=1) as server:
        server.urls; server.stats(); server.die(0, down_s=2.0)

It speaks HTTP/1.1 over plain asyncio, to leave the machine to the client that is measured. It identifies a
request by a hash of its messages, so a retry with other sampling is the same request. For each request it
counts how often it was sent, and how many complete, good answers it got.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import hashlib
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Self

import msgspec

from tests.support.mishaps import draw_mishap, text_for

ROOT = Path(__file__).parents[2]
MODEL = "made-up"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the endpoints behave."""

    endpoints: int = 1
    slots: int = 64
    latency_s: float = 0.5
    pieces: int = 8
    """How many events an answer is split into, over its latency."""
    faults: float = 0.0
    """The share of requests with a mishap."""
    seed: int = 1
    deaths: tuple[tuple[int, int, float], ...] = ()
    """(after this many requests, endpoint, how many seconds it is down)"""


class Stats(msgspec.Struct, kw_only=True):
    """What it counted. The keys of requests are also in their captions."""

    asked: dict[str, int] = {}
    good: dict[str, int] = {}
    mishaps: dict[str, int] = {}
    per_endpoint: dict[str, int] = {}
    most_at_once: int = 0
    first_asked_at: float = 0.0
    last_answered_at: float = 0.0


class FaultServer:
    """Runs the child process, and asks it for its counts."""

    def __init__(self, **options: Any) -> None:
        self._options = Options(**options)

    def __enter__(self) -> Self:
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, msgspec.json.encode(self._options).decode()],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._child.stdout is not None
        *ports, self._control = json.loads(self._child.stdout.readline())
        self.urls = tuple(f"http://127.0.0.1:{port}" for port in ports)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.close()  # the child ends when its stdin does
        self._child.wait()
        self._child.stdout.close()

    def stats(self) -> Stats:
        return msgspec.json.decode(self._ask("stats"), type=Stats)

    def die(self, endpoint: int, down_s: float) -> None:
        """Drop an endpoint's connections, and refuse new ones for a while."""
        self._ask(f"die?{endpoint}:{down_s}")

    def _ask(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._control}/{path}") as answer:
            return answer.read()


class _Payload(msgspec.Struct):
    messages: msgspec.Raw
    stream: bool = False


class _Endpoint:
    """One endpoint, on a port of its own."""

    def __init__(self, number: int, options: Options, stats: Stats, die: Any) -> None:
        self.number, self._options, self._stats, self._die = number, options, stats, die
        self._slots = asyncio.Semaphore(options.slots)
        self._at_once = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=2**20, backlog=2048
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def go_down(self, down_s: float) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(down_s)
        await self.listen()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while (request := await _read_request(reader)) is not None:
                method, _, body = request
                if method == "GET":
                    writer.write(_whole(200, {"data": [{"id": MODEL}]}))
                elif not await self._answer(body, reader, writer):
                    break
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request. Returns whether the connection stays open."""
        payload = msgspec.json.decode(body, type=_Payload)
        messages = bytes(payload.messages)
        key = hashlib.blake2b(messages, digest_size=6).hexdigest()
        stats = self._stats
        stats.asked[key] = stats.asked.get(key, 0) + 1
        stats.per_endpoint[str(self.number)] = stats.per_endpoint.get(str(self.number), 0) + 1
        stats.first_asked_at = stats.first_asked_at or time.monotonic()
        self._die(sum(stats.per_endpoint.values()))
        mishap = draw_mishap(key, stats.asked[key], self._options.faults, self._options.seed)
        stats.mishaps[str(mishap)] = stats.mishaps.get(str(mishap), 0) + 1
        async with self._slots:
            self._at_once += 1
            stats.most_at_once = max(stats.most_at_once, self._at_once)
            try:
                answer = self._misbehave(mishap, reader, writer)
                stays = await answer
                if stays is None:
                    chinese = "图" in messages.decode() or "\\u56fe" in messages.decode()
                    stays = await self._caption(
                        writer, payload.stream, mishap, *text_for(key, chinese, mishap)
                    )
                    if stays and mishap in (None, "slow"):
                        stats.good[key] = stats.good.get(key, 0) + 1
            finally:
                self._at_once -= 1
        stats.last_answered_at = time.monotonic()
        return stays

    async def _misbehave(
        self, mishap: str | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool | None:
        """Whether the connection stays open; None if a caption must still be sent."""
        match mishap:
            case "500" | "503":
                writer.write(_whole(int(mishap), {"object": "error", "message": f"planned {mishap}"}))
            case "429":
                writer.write(_whole(429, {"message": "planned 429"}, "Retry-After: 1\r\n"))
            case "429 with a date":
                date = email.utils.formatdate(time.time() + 1, usegmt=True)
                writer.write(_whole(429, {"message": "planned 429"}, f"Retry-After: {date}\r\n"))
            case "error in a 200":
                writer.write(_whole(200, {"object": "error", "code": 500, "message": "engine"}))
            case "dead node in a 200":
                writer.write(_whole(200, {"error_code": 10402, "text": "api service timeout"}))
            case "malformed":
                writer.write(_head(200, "application/json", 14) + b'{"choices": [{')
            case "reset before":
                writer.transport.abort()
                return False
            case "hang":
                await reader.read(1)  # until the client gives up
                return False
            case _:
                return None
        return True

    async def _caption(
        self, writer: asyncio.StreamWriter, stream: bool, mishap: str | None, text: str, finish_reason: str
    ) -> bool:
        """Send a caption. Returns whether all of it was sent."""
        latency_s = self._options.latency_s * (10 if mishap == "slow" else 1)
        words = max(1, len(text) // 4)
        usage = {"prompt_tokens": 300, "completion_tokens": words, "total_tokens": 300 + words}
        if not stream:
            await asyncio.sleep(latency_s)
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": finish_reason}
            whole = {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "usage": usage}
            writer.write(_whole(200, whole | {"choices": [choice]}))
            return True
        writer.write(_head(200, "text/event-stream", None))
        pieces = self._options.pieces
        for number in range(pieces):
            await asyncio.sleep(latency_s / pieces)
            if writer.transport.is_closing():
                return False
            if number == pieces // 2:
                if mishap == "reset in the middle":
                    writer.transport.abort()
                    return False
                if mishap == "error event":
                    writer.write(_event({"error": {"message": "planned", "code": 500}}) + b"0\r\n\r\n")
                    return True
                if mishap == "no end":
                    writer.write(b"0\r\n\r\n")
                    return True
            piece = text[len(text) * number // pieces : len(text) * (number + 1) // pieces]
            last = number == pieces - 1
            choice = {"delta": {"content": piece}, "finish_reason": finish_reason if last else None}
            writer.write(_event({"choices": [choice], "usage": None}))
        writer.write(_event({"choices": [], "usage": usage}) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        return not writer.transport.is_closing()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head.decode("latin-1").split("\r\n")
    lengths = [field.partition(":")[2] for field in fields if field.lower().startswith("content-length:")]
    body = await reader.readexactly(int(lengths[0])) if lengths else b""
    method, path, _ = line.split(" ")
    return method, path, body


def _head(status: int, kind: str, length: int | None, more: str = "") -> bytes:
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{framing}\r\n{more}\r\n".encode()


def _whole(status: int, document: object, more: str = "") -> bytes:
    content = json.dumps(document).encode()
    return _head(status, "application/json", len(content), more) + content


def _event(document: object) -> bytes:
    return _chunk(b"data: " + json.dumps(document).encode() + b"\n\n")


def _chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


async def _main(options: Options) -> None:
    stats = Stats()
    due = Counter({after: 1 for after, _, _ in options.deaths})
    tasks = set()

    def die(asked: int) -> None:
        for after, number, down_s in options.deaths:
            if due[after] and asked >= after:
                due[after] = 0
                tasks.add(asyncio.ensure_future(endpoints[number].go_down(down_s)))

    endpoints = [_Endpoint(number, options, stats, die) for number in range(options.endpoints)]
    for endpoint in endpoints:
        await endpoint.listen()

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        if request is not None and request[1].startswith("/die?"):
            number, down_s = request[1].partition("?")[2].split(":")
            tasks.add(asyncio.ensure_future(endpoints[int(number)].go_down(float(down_s))))
        writer.write(_whole(200, msgspec.to_builtins(stats), "Connection: close\r\n"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(control, "127.0.0.1", 0)
    ports = [endpoint.port for endpoint in endpoints] + [server.sockets[0].getsockname()[1]]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
    asyncio.run(_main(msgspec.json.decode(sys.argv[1], type=Options)))
