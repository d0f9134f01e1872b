"""Real S3 servers on loopback, each in its own process, and a proxy that cuts connections to them."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import s3fs

from tests.support.ports import free_port

BUCKET = "pile"

PAGE_OBJECTS = 50
"""Objects per page of a listing."""

_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@contextlib.contextmanager
def s3_server() -> Iterator[int]:
    """The port of a Moto server with one bucket. While it runs, ``s3://`` means this server, for this process
    and those that it starts."""
    main = "from moto.server import main; main()"
    port = free_port()
    command = [sys.executable, "-c", main, "-H", "127.0.0.1", "-p", str(port)]
    with _started(command, port, MOTO_S3_DEFAULT_MAX_KEYS=str(PAGE_OBJECTS)):
        files().mkdir(BUCKET)
        yield port


@contextlib.contextmanager
def rclone_server(rclone: str, folder: Path) -> Iterator[int]:
    """The port of an rclone server, which needs little CPU time. Each folder in ``folder`` is a bucket."""
    port = free_port()
    command = [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--etag-hash=", str(folder)]
    keys = ",".join((_KEYS["AWS_ACCESS_KEY_ID"], _KEYS["AWS_SECRET_ACCESS_KEY"]))
    with _started([*command, "--auth-key", keys], port):
        yield port


@contextlib.contextmanager
def _started(command: list[str], port: int, **environment: str) -> Iterator[None]:
    server = subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        with using(port, **_KEYS):
            yield
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def using(port: int, **more: str) -> Iterator[None]:
    """Let ``s3://`` mean the server on ``port``."""
    changed = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", **more}
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        s3fs.S3FileSystem.clear_instance_cache()


def files() -> Any:
    """The file system as any other client sees it."""
    return s3fs.S3FileSystem(use_listings_cache=False)


def uploaded(folder: Path, name: str) -> str:
    """Upload all files of ``folder``, and return the URL of the copy."""
    s3 = files()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            s3.pipe_file(f"{BUCKET}/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"s3://{BUCKET}/{name}"


def _wait_for(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise AssertionError("the S3 server doesn't start")


class CuttingProxy:
    """Forwards everything, and counts read requests and bytes of answers. If ``cut_after_bytes`` is given,
    every connection ends after a number of answer bytes that is drawn from this range."""

    def __init__(self, port: int, *, cut_after_bytes: tuple[int, int] | None = None, seed: int = 0) -> None:
        self.cuts = self.answered_bytes = self.requests = 0
        self._server_port, self._range = port, cut_after_bytes
        self._random = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                left = self._random.randint(*self._range) if self._range is not None else sys.maxsize
                threading.Thread(target=self._serve, args=(client, left), daemon=True).start()

    def _serve(self, client: socket.socket, left: int) -> None:
        server = socket.create_connection(("127.0.0.1", self._server_port))
        with client, server, contextlib.suppress(OSError):
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if client in ready:
                    if not (asked := client.recv(65536)):
                        return
                    self.requests += asked.startswith((b"GET ", b"HEAD "))
                    server.sendall(asked)
                if server in ready:
                    if not (answer := server.recv(min(65536, left))):
                        return
                    self.answered_bytes += len(answer)  # before it is sent: the client may ask at once
                    client.sendall(answer)
                    left -= len(answer)
                    if left <= 0:
                        self.cuts += 1
                        return
