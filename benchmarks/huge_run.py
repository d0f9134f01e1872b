"""How long a run of 11 million images and 24 million captions takes to resume, and `triptych status` on it.

    python -m benchmarks.huge_run SCRATCH [--images 11186000] [--shards 1000] [--sets 1000000] [--filtered]

For a run in several states, measures time and memory of a command until it ends, or until a server gets its
first request for a caption; the server never answers, and the command is then killed. SCRATCH needs about
10 GB. A run that is already there, up to finished captions, is used; it can't be measured twice.
``--filtered`` also measures with verdicts, for which all captions are read first. Exits 1 if a start takes
more than MAX_START_S or MAX_MIB, or a status more than MAX_STATUS_S.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import msgspec

from benchmarks.huge_folder import MODEL, HugeFolder, Size
from benchmarks.record import ROOT, record, refuse_dirty_tree
from benchmarks.stopwatch import PeakMemory, Stopwatch

MAX_START_S, MAX_STATUS_S, MAX_MIB = 60.0, 3.0, 2048.0
PATIENCE_S = 900.0
FAILURES = 100
LOST = "its counts were lost"
"""The only state in which all journals of unfinished jobs have to be read; its time is not limited."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Time and memory of one command."""

    state: str
    command: str
    until: str
    wall_s: float
    cpu_s: float
    memory_mib: float

    @property
    def exceeds_limits(self) -> bool:
        most_s = MAX_STATUS_S if self.command == "status" else MAX_START_S
        return self.wall_s > most_s or self.memory_mib > MAX_MIB


class Endpoint:
    """A server that notes its first request for a caption, and never answers it."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"object": "list", "data": [{"id": MODEL}]}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                endpoint.asked.set()
                time.sleep(PATIENCE_S)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"


class Measurements:
    """Runs commands on one run, and collects their costs."""

    def __init__(self, folder: HugeFolder, endpoint: Endpoint) -> None:
        self._folder, self._endpoint = folder, endpoint
        self.costs: list[Cost] = []

    def to_first_request(self, state: str, *arguments: str) -> None:
        """Measure `triptych caption` until its first request, and kill it."""
        self._endpoint.asked.clear()
        self._measure(
            state,
            ("caption", str(self._folder.path), "--server", self._endpoint.url, *arguments),
            "first request",
            self._endpoint.asked.is_set,
        )

    def to_end(self, state: str, command: str = "run") -> None:
        """Measure a command that has nothing to do, or a status, to its end."""
        path, pile = str(self._folder.path), str(self._folder.pile)
        named = (pile, "--out", path) if command == "run" else (path,)
        self._measure(state, (command, *named), "end", None)

    def _measure(
        self, state: str, arguments: Sequence[str], until: str, is_reached: Callable[[], bool] | None
    ) -> None:
        with tempfile.TemporaryFile("w+") as output, Stopwatch() as watch:
            process = subprocess.Popen(
                [sys.executable, "-m", "triptych", *arguments], cwd=ROOT, stdout=output, stderr=output
            )
            memory = PeakMemory(process.pid)
            began = time.monotonic()
            while process.poll() is None and not (is_reached and is_reached()):
                time.sleep(0.02)
                if time.monotonic() - began > PATIENCE_S:
                    break
            wall_s = time.monotonic() - began
            is_over = process.poll() is not None
            process.kill()
            process.wait()
            if (is_reached is None) != is_over or process.returncode not in (0, -9):
                output.seek(0)
                sys.exit(f"{state}: triptych {' '.join(arguments)} ended unexpectedly:\n{output.read()}")
        cost = Cost(
            state=state,
            command=arguments[0],
            until=until,
            wall_s=round(wall_s, 1),
            cpu_s=round(watch.cpu_s, 1),
            memory_mib=round(memory.stop()),
        )
        print(cost, file=sys.stderr, flush=True)
        self.costs.append(cost)


def measure(folder: HugeFolder, endpoint: Endpoint, *, filtered: bool) -> list[Cost]:
    """Measure all states, one after the other."""
    taken = Measurements(folder, endpoint)
    taken.to_end("captions finished", "status")
    taken.to_end("captions finished", "caption")
    if filtered:
        folder.finish()
        taken.to_end("all finished", "status")
        taken.to_end("all finished")
    folder.fail_some("single_en", FAILURES)
    taken.to_end("failures to ask for again", "status")
    taken.to_first_request("failures to ask for again")
    folder.restore_failed("single_en")
    folder.kill_halfway("single_zh")
    taken.to_end("killed amid a job on images", "status")
    taken.to_first_request("killed amid a job on images")
    folder.kill_halfway("multi_en")
    taken.to_end("killed amid a job on sets", "status")
    taken.to_first_request("killed amid a job on sets", "--job", "multi_en")
    shutil.rmtree(folder.path / ".counts")
    taken.to_first_request(LOST)
    taken.to_first_request("its counts are there again")
    return taken.costs


@click.command()
@click.argument("scratch", type=click.Path(path_type=Path))
@click.option("--images", default=11_186_000, show_default=True)
@click.option("--shards", default=1_000, show_default=True)
@click.option("--sets", default=1_000_000, show_default=True)
@click.option("--filtered", is_flag=True)
def main(scratch: Path, images: int, shards: int, sets: int, filtered: bool) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    endpoint = Endpoint()
    folder = HugeFolder(scratch / "run", Size(images, shards, sets), endpoint.url)
    if not folder.path.exists():
        folder.make()
    costs = measure(folder, endpoint, filtered=filtered)
    usual = [cost for cost in costs if cost.state != LOST]
    measured: dict[str, object] = {
        "images": images,
        "shards": shards,
        "sets": sets,
        "captions": folder.captions(),
        "slowest_start_s": max(cost.wall_s for cost in usual if cost.command != "status"),
        "slowest_status_s": max(cost.wall_s for cost in usual if cost.command == "status"),
        "highest_mib": max(cost.memory_mib for cost in costs),
        "costs": [msgspec.to_builtins(cost) for cost in costs],
    }
    command = f"python -m benchmarks.huge_run SCRATCH --images {images} --shards {shards} --sets {sets}"
    name = "huge_run_filtered" if filtered else "huge_run"
    record(name, f"{command}{' --filtered' if filtered else ''}", measured)
    if any(cost.exceeds_limits for cost in usual):
        sys.exit(1)


if __name__ == "__main__":
    main()
