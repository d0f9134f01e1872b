"""Runs lmdeploy's own server on this machine's CPU, in a child process.

Comes in: a model folder. Goes out: a base URL, the inputs of its engine, and a way to make that engine fail.
See lmdeploy_child for which parts are lmdeploy's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx
import numpy as np

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 180.0
"""A start takes about 10 s on an idle machine: torch, transformers and lmdeploy are imported."""


class LmdeployOnCpu:
    """``url`` is its base URL. For ``inputs``, send one request at a time."""

    def __init__(self, model: Path, served_name: str, notes: Path) -> None:
        """``notes`` is an empty folder, for the engine's inputs and mishaps, and the server's log."""
        self._mishaps = notes / "mishaps"
        self._inputs = notes / "inputs"
        self._log = notes / "log"
        self._inputs.mkdir()
        self.fail_with()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = ["-m", "tests.support.lmdeploy_child", str(model), str(port), served_name, str(notes)]
        quiet = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=os.environ | quiet,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        give_up = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._child.poll() is not None or time.monotonic() > give_up:
                self.__exit__()
                raise RuntimeError(f"lmdeploy's server did not start:\n{self._log.read_text()}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()  # the child ends when its stdin does
        self._child.wait()

    def fail_with(self, *statuses: str) -> None:
        """End the next requests with these ResponseTypes of lmdeploy, one each, after a few tokens."""
        self._mishaps.write_text("\n".join(statuses))

    def inputs(self) -> list[tuple[list[int], np.ndarray]]:
        """Token ids and pixel values, float[n_tiles, 3, side, side], of each request, in order."""
        files = sorted(self._inputs.iterdir(), key=lambda path: int(path.stem))
        loaded = [np.load(path) for path in files]
        return [(each["input_ids"].tolist(), each["pixel_values"]) for each in loaded]

    def sleep(self) -> None:
        """Put the server to sleep, as an operator does to free the GPU for a while."""
        httpx.post(f"{self.url}/sleep", params={"level": 1}, json={}).raise_for_status()

    def wake_up(self) -> None:
        httpx.post(f"{self.url}/wakeup", json={}).raise_for_status()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v1/models", timeout=5.0).is_success
        except httpx.TransportError:
            return False
