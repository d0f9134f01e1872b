"""An OpenAI-compatible endpoint for which a test writes each answer: dialects of other servers, and faults.

def strict(asked):
    return refuse(400, "Unrecognized request argument supplied: top_k") if ... else say("A.")

with ScriptedEndpoint(strict) as endpoint: ...
"""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple, Self

MODEL = "acme/looker"
CAPTION = "A red kite hangs over a field of barley, and two people look up at it from a gate."
CAPTION_ZH = "一只红色的风筝飘在麦田上方，两个人站在门边抬头望着它，远处有几棵树。"


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def images(self) -> int:
        """How many images it has."""
        return sum(part["type"] == "image_url" for part in self.body["messages"][0]["content"])

    @property
    def caption(self) -> str:
        """A caption in the language of the prompt."""
        text = "".join(part.get("text", "") for part in self.body["messages"][0]["content"])
        return CAPTION_ZH if any("\u4e00" <= letter <= "\u9fff" for letter in text) else CAPTION


class Reply(NamedTuple):
    """An answer. A number among the pieces is a pause in seconds."""

    status: int
    pieces: Sequence[bytes | float]
    headers: Mapping[str, str] = MappingProxyType({})


Script = Callable[[Asked], Reply]


def events(*documents: object, done: bool = True) -> bytes:
    """Server-sent events."""
    sent = b"".join(b"data: " + json.dumps(document).encode() + b"\n\n" for document in documents)
    return sent + (b"data: [DONE]\n\n" if done else b"")


def delta(finish_reason: str | None = None, **fields: object) -> dict[str, object]:
    """A piece of a completion."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


def say(text: str, finish_reason: str = "stop") -> Reply:
    """A caption, streamed."""
    usage = {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 7}}
    half = len(text) // 2
    pieces = (delta(content=text[:half]), delta(content=text[half:]), delta(finish_reason), usage)
    return Reply(200, [events(*pieces)], {"Content-Type": "text/event-stream"})


def refuse(status: int, message: str) -> Reply:
    """An error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
    return Reply(status, [body], {"Content-Type": "application/json"})


def well(asked: Asked) -> Reply:
    """A script that answers every request with a caption."""
    return say(asked.caption)


def listed(*names: str) -> Reply:
    """A list of models."""
    return Reply(200, [json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()])


class ScriptedEndpoint:
    """Serves on this machine while a ``with`` block runs. ``asked`` has the requests for captions."""

    def __init__(self, chat: Script = well, models: Reply | None = None, path: str = "/v1") -> None:
        self.chat = chat
        self.models = models or listed(MODEL)
        self.base = path
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        """The paths of all requests."""
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.script = self
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}{path}"

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Accept only TLS connections from now on."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reply_to(self, asked: Asked) -> Reply:
        """The answer to a request."""
        self.paths.append(asked.path)
        if asked.path == f"{self.base}/models":
            return self.models
        if asked.path != f"{self.base}/chat/completions" or asked.method != "POST":
            return refuse(404, "Not Found")
        self.asked.append(asked)
        return self.chat(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    script: ScriptedEndpoint

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that disconnects is not an error of the server."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._reply("GET", {})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply("POST", json.loads(content))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _reply(self, method: str, body: dict[str, Any]) -> None:
        reply = self.server.script.reply_to(Asked(method, self.path, dict(self.headers), body))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            for piece in reply.pieces:
                if isinstance(piece, bytes):
                    self.wfile.write(piece)
                    self.wfile.flush()
                else:
                    time.sleep(piece)
