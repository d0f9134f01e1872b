"""An OpenAI-compatible HTTP server that captions by running an engine, and misbehaves on demand.

Each POST takes the next entry of ``mishaps``, if there is one: a mishap, or None for an answer.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import msgspec

from triptych.captioning.engine import CaptionRequest, Completion, Engine

SERVED_MODEL = "tiny-internvl"


def anywhere(completions: Sequence[Completion]) -> list[Completion]:
    """The completions without their endpoints, to compare them with those of another engine."""
    return [msgspec.structs.replace(completion, endpoint="") for completion in completions]


class ChatServer:
    """``url`` is its base URL, ``payloads`` are the requests that it got, ``mishaps`` is what it does next
    (None: answer), and ``names`` are the names by which its model can be requested."""

    def __init__(self, engine: Engine, port: int = 0) -> None:
        self.engine = engine
        self.payloads: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.mishaps: deque[str | None] = deque()
        self.names = {SERVED_MODEL}
        self.most_at_once = 0
        self.released = threading.Event()
        self._at_once = 0
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.chat = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Drop all connections, and refuse new ones."""
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        for connection in self._http.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._http.connections.clear()

    def complete(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The engine's answer to a chat completion request."""
        with self._lock:
            self.payloads.append(payload)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            completion = self.engine.caption([_request(payload)])[0]
        finally:
            with self._lock:
                self._at_once -= 1
        return {
            "object": "chat.completion",
            "model": payload["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": completion.text},
                    "finish_reason": completion.finish_reason,
                }
            ],
            "usage": {
                "prompt_tokens": completion.prompt_tokens,
                "completion_tokens": completion.completion_tokens,
                "total_tokens": completion.prompt_tokens + completion.completion_tokens,
            },
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    chat: ChatServer

    def __init__(self, *arguments: Any) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(*arguments)

    def process_request(self, request: socket.socket, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that disconnects is not an error of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._send(200, json.dumps({"object": "list", "data": [{"id": SERVED_MODEL}]}))

    def do_POST(self) -> None:
        chat = self.server.chat
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        chat.headers.append(dict(self.headers))
        match chat.mishaps.popleft() if chat.mishaps else None:
            case None if payload["model"] not in chat.names:
                message = f"The model `{payload['model']}` does not exist."
                self._send(404, json.dumps({"object": "error", "message": message, "code": 404}))
            case None:
                self._send(200, json.dumps(chat.complete(payload)))
            case "500" | "503" | "400" | "404" | "413" | "401" as status:
                self._send(int(status), json.dumps({"object": "error", "message": f"planned {status}"}))
            case "too long":
                message = "Input length (9) must be smaller than the model context length (8)."
                self._send(400, json.dumps({"object": "error", "message": message, "code": 400}))
            case "400 in a 200":
                self._send(
                    200, json.dumps({"object": "error", "code": 400, "message": "bad image", "type": "x"})
                )
            case "500 in a 200":
                self._send(
                    200, json.dumps({"object": "error", "code": 500, "message": "engine", "type": "x"})
                )
            case "dead node in a 200":
                self._send(200, json.dumps({"error_code": 10402, "text": "api service timeout"}))
            case "abort":
                half = {"index": 0, "message": {"content": "This image"}, "finish_reason": "abort"}
                self._send(200, json.dumps({"object": "chat.completion", "choices": [half]}))
            case "malformed":
                self._send(200, '{"choices": [')
            case "no choices":
                self._send(200, '{"object": "chat.completion", "choices": []}')
            case "reset":
                self.close_connection = True
            case "429":
                self._send(429, json.dumps({"message": "planned 429"}), {"Retry-After": "1"})
            case "hang after a token":
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                self.wfile.write(b'data: {"choices": [{"delta": {"content": "This"}}]}\n\n')
                self.wfile.flush()
                chat.released.wait()
                self.close_connection = True
            case "hang":
                chat.released.wait()
                self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def _request(payload: dict[str, Any]) -> CaptionRequest:
    """The request that the client sent: the last text is the prompt, the images come before it."""
    parts = payload["messages"][0]["content"]
    images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    return CaptionRequest(
        id="asked",
        prompt=parts[-1]["text"],
        images=tuple(base64.b64decode(url.partition("base64,")[2]) for url in images),
        max_tokens=payload["max_tokens"],
    )
