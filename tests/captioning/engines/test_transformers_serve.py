"""Captioning through the real `transformers serve`, which is installed with Triptych, with the nano model."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.ports import free_port
from tests.support.small_run import PLANNED, SmallRun, make_small_run
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.models import resolve_model
from triptych.records import Caption

pytestmark = pytest.mark.slow

NANO = resolve_model("builtin:nano-internvl") or ""
STARTS_WITHIN_S = 120.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of the nano model on this machine."""
    port = free_port()
    command = [
        str(Path(sys.executable).parent / "transformers"),
        "serve",
        NANO,
        "--device",
        "cpu",
        "--dtype",
        "float32",
    ]
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path_factory.mktemp("hub")), "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None and not _is_healthy(port):
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def test_captions_of_the_four_jobs_equal_those_of_the_in_process_engine(url: str, tmp_path: Path) -> None:
    """Text and finish reason, on single images and sets. The server refuses top_k and repetition_penalty,
    lists no models of a folder, and takes one request at a time."""
    of_server = CaptioningConfig(server=ServerConfig(urls=(url,)), model=NANO)
    in_process = CaptioningConfig(
        engine="transformers", model=NANO, transformers=TransformersConfig(batch_size=1, device="cpu")
    )

    by_server = captioned(make_small_run(tmp_path / "server"), of_server)
    by_process = captioned(make_small_run(tmp_path / "process"), in_process)

    assert sum(PLANNED.values()) == len(by_server)
    assert by_process == by_server


def captioned(run: SmallRun, config: CaptioningConfig) -> dict[str, tuple[str, str, str | None]]:
    """The text, finish reason and failure of each caption, by id."""
    small = msgspec.structs.replace(
        config, tile_px=112, max_tiles=2, max_tokens_single=56, max_tokens_multi=64, ask_again=0
    )
    run.caption(small)
    rows: dict[str, Caption] = run.rows()
    return {row.id: (row.text, row.finish_reason, row.failure) for row in rows.values()}
