"""How many of a server's slots a client keeps in use, and how many images per second it prepares.

    python -m benchmarks.full_slots [--requests 3840] [--peers VENV] [--peer NAME ...]

Slots: a local server has 64 slots of 500 ms, so it answers at most 128 requests per second. `triptych
caption` runs as a whole, in one process, from small images in a tar to rows on disk. In the same run, other
clients get the same requests already resized and encoded: a hand-written asyncio + openai client,
bespokelabs-curator, and Ray Data's HTTP processor, each from VENV. The server measures the throughput, from
its first request to its last answer; CPU time is that of the client and all its children. Fitting: images of
1500 x 2250 pixels are read from a tar, decoded, resized and encoded on one core. Exits 1 if Triptych reaches
less than MIN_SHARE of the ideal.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.full_slots_peer import PEERS
from benchmarks.record import ROOT, record, refuse_dirty_tree
from benchmarks.sa1b_size import fitted_per_core_second
from tests.support.contexts import JOBS, context_of
from tests.support.fault_server import FaultServer
from tests.support.made_up_run import QUICK, MadeUpRun, make_up_run
from triptych.captioning.request_builder import RequestBuilder
from triptych.prompts import load_prompt
from triptych.runs.folder import RunFolder
from triptych.runs.image_reader import reader_of
from triptych.runs.plan import JobPlan
from triptych.settings import load_config
from triptych.sources.opening import open_sources

SLOTS = 64
LATENCY_S = 0.5
IDEAL_PER_S = SLOTS / LATENCY_S
MIN_SHARE = 0.95
PEER_TIMEOUT_S = 600
REDUCED_REQUESTS = {"ray": 256}
"""Enough to measure a client that is much slower. It has to be the last one."""
PEER_SCRIPT = Path(__file__).with_name("full_slots_peer.py")


@click.command()
@click.option("--requests", default=3840, show_default=True)
@click.option("--peers", type=click.Path(path_type=Path, exists=True), help="An environment with the peers.")
@click.option("--peer", "names", multiple=True, type=click.Choice(list(PEERS)), default=list(PEERS))
def main(requests: int, peers: Path | None, names: Sequence[str]) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        made_up = make_up_run(Path(scratch), requests)
        encoded = Path(scratch, "requests.jsonl")
        _encode(made_up, encoded)
        clients: dict[str, object] = {}
        with FaultServer(slots=SLOTS, latency_s=LATENCY_S) as server:
            command = made_up.command(server.urls, ("single_en",), max_in_flight=SLOTS)
            clients["triptych"] = _measure(command, server, requests)
        for name in names if peers is not None else ():
            if name in REDUCED_REQUESTS:
                lines = encoded.read_text().splitlines(keepends=True)
                encoded.write_text("".join(lines[: REDUCED_REQUESTS[name]]))
            with FaultServer(slots=SLOTS, latency_s=LATENCY_S) as server:
                url = f"{server.urls[0]}/v1"
                python = str(peers / "bin" / "python")  # type: ignore[operator]
                command = [python, str(PEER_SCRIPT), name, url, str(encoded), str(SLOTS)]
                clients[name] = _measure(command, server, len(encoded.read_text().splitlines()))
    measured: dict[str, object] = {
        "requests": requests,
        "slots": SLOTS,
        "latency_s": LATENCY_S,
        "ideal_per_s": IDEAL_PER_S,
        "load_before": round(load_before, 2),
        "clients": clients,
        "fitting": fitted_per_core_second(),
    }
    with_peers = "" if peers is None else " --peers VENV" + "".join(f" --peer {name}" for name in names)
    record("full_slots", f"python -m benchmarks.full_slots --requests {requests}{with_peers}", measured)
    ours = clients["triptych"]
    assert isinstance(ours, dict)
    if ours.get("share_of_ideal", 0.0) < MIN_SHARE:
        sys.exit(1)


def _measure(command: Sequence[str], server: FaultServer, requests: int) -> dict[str, object]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PEER_TIMEOUT_S, cwd=ROOT)
    except subprocess.TimeoutExpired:
        return {"fault": f"not done within {PEER_TIMEOUT_S} s", "answers": sum(server.stats().good.values())}
    wall_s = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    stats = server.stats()
    if ended.returncode or sum(stats.good.values()) < requests:
        last = (ended.stderr.strip() or "no message").splitlines()[-1]
        return {"fault": f"exit {ended.returncode}: {last[:300]}", "answers": sum(stats.good.values())}
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate = sum(stats.good.values()) / (stats.last_answered_at - stats.first_asked_at)
    return {
        "requests": requests,
        "per_s": round(rate, 2),
        "share_of_ideal": round(rate / IDEAL_PER_S, 4),
        "per_s_with_start_and_end": round(requests / wall_s, 2),
        "cpu_ms_per_request": round(1000 * cpu_s / requests, 2),
        "most_at_once": stats.most_at_once,
    }


def _encode(made_up: MadeUpRun, path: Path) -> None:
    """Write the chat messages of all requests, as Triptych sends them."""
    run = RunFolder.open(made_up.path)
    images = reader_of(context_of(run, "single_en"), open_sources([made_up.pile]))
    builder = RequestBuilder(images, load_config(flags=QUICK).captioning)
    job = JOBS["single_en"]
    prompt = load_prompt(job)
    with path.open("w") as file:
        for shard, targets in JobPlan(run, job).shards():
            for target in targets:
                image = builder.request(job, shard, target, prompt).images[0]
                url = "data:image/jpeg;base64," + base64.b64encode(image).decode()
                parts = [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": prompt.text},
                ]
                file.write(json.dumps([{"role": "user", "content": parts}]) + "\n")


if __name__ == "__main__":
    main()
