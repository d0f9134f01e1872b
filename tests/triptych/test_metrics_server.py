"""Metrics for Prometheus, scraped during captioning."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.fault_server import FaultServer
from tests.support.made_up_run import QUICK, make_up_run
from tests.support.ports import free_port
from tests.triptych.conftest import Command
from triptych.metrics_server import _worker_metrics, serve_metrics
from triptych.runs.folder import RunFolder
from triptych.runs.heartbeats import EndpointStatus
from triptych.workers import WorkerState

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana.json"

Figures = dict[str, list[tuple[dict[str, str], float]]]


def scraped(port: int) -> Figures:
    """All samples by name. The list is empty for a metric without samples."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found: Figures = {}
    for family in text_string_to_metric_families(text):
        name = {"counter": f"{family.name}_total", "histogram": f"{family.name}_bucket"}.get(family.type)
        found.setdefault(name or family.name, [])
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


class Scraper(threading.Thread):
    """Scrapes repeatedly, as Prometheus does, until the port is closed."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.seen: list[Figures] = []

    def run(self) -> None:
        while True:
            try:
                self.seen.append(scraped(self._port))
            except (urllib.error.URLError, ConnectionError):
                if self.seen:
                    return
            time.sleep(0.05)


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Figures]]]:
    """A run captioned with two endpoints, and what was scraped meanwhile."""
    import sys

    from triptych.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("triptych.captioning.stage.NOTE_EVERY_S", 0.1)
        patch.setattr("triptych.runs.heartbeats.HEARTBEAT_INTERVAL_S", 0.1)
        made_up = make_up_run(tmp_path_factory.mktemp("metrics"), 60)
        port = free_port()
        scraper = Scraper(port)
        scraper.start()
        with FaultServer(endpoints=2, slots=4, latency_s=0.2) as server:
            arguments = ["caption", str(made_up.path), f"--metrics={port}", "--job=single_en"]
            arguments += [f"--server={url}" for url in server.urls]
            arguments += [f"--set={name}={value}" for name, value in QUICK.items()]
            patch.setattr(sys, "argv", ["triptych", *arguments, "--set=captioning.max_in_flight=4"])
            main()
        scraper.join(20)
        yield made_up.path, scraper.seen


def test_counters_equal_the_runs_counts_and_never_decrease(captioned: tuple[Path, list[Figures]]) -> None:
    """Prometheus computes rates from them."""
    path, seen = captioned
    made = [value for figures in seen for _, value in figures.get("triptych_captions_total", [])]
    with serve_metrics(str(port := free_port()), path):
        last = scraped(port)
    notes = RunFolder.open(path).run_file.stages["captions"].notes

    assert made == sorted(made) and len(set(made)) > 2
    assert [({"job": "single_en"}, 60.0)] == last["triptych_captions_total"]
    assert [({"job": "single_en"}, 0.0)] == last["triptych_captions_left"]
    tokens = {labels["kind"]: value for labels, value in last["triptych_tokens_total"]}
    assert {"prompt": 60 * 300, "completion": notes["single_en.completion_tokens"]} == tokens
    assert 60.0 == last["triptych_caption_latency_seconds_bucket"][-1][1]


def test_requests_in_flight_are_shown_for_each_endpoint(captioned: tuple[Path, list[Figures]]) -> None:
    """During captioning."""
    _, seen = captioned
    urls = {labels["endpoint"] for each in seen for labels, _ in each.get("triptych_endpoint_in_flight", [])}
    most = max(value for each in seen for _, value in each.get("triptych_in_flight", []))

    assert 2 == len(urls)
    assert 1.0 < most < 9.0
    assert {"at work"} <= {labels["state"] for each in seen for labels, _ in each.get("triptych_workers", [])}


def test_the_dashboard_uses_exactly_the_metrics_that_are_served(
    captioned: tuple[Path, list[Figures]],
) -> None:
    """The names in its queries are compared with those in real scrapes."""
    served = {name for figures in captioned[1] for name in figures}
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    queries = " ".join(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    queried = set(re.findall(r"triptych_\w+", queries))

    assert served == queried


def test_metrics_are_served_only_to_this_machine_by_default(tmp_path: Path) -> None:
    """They contain names of images and hosts."""
    port = free_port()
    with serve_metrics(str(port), tmp_path), socket.socket() as other:
        other.bind(("127.0.0.2", port))  # fails if the server has bound every address


def test_a_folder_without_a_run_is_served_without_samples(tmp_path: Path) -> None:
    """`triptych run` serves metrics before it has listed its sources."""
    port = free_port()
    with serve_metrics(f"127.0.0.1:{port}", tmp_path / "new"):
        assert {} == {name: each for name, each in scraped(port).items() if each}


@pytest.mark.parametrize("address", ["", "x", "host:", "99999", "1:2:x"])
def test_an_invalid_address_is_refused(address: str, run: Path, triptych: Command) -> None:
    """Before any work."""
    outcome = triptych("caption", run, "--metrics", address)

    assert 2 == outcome.exit_code
    assert "expected PORT or HOST:PORT, such as 9400" in outcome.stderr


def test_a_port_in_use_is_refused_in_one_line(run: Path, triptych: Command) -> None:
    """Nothing is captioned."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = triptych("caption", run, "--metrics", taken.getsockname()[1])

    assert 1 == outcome.exit_code
    assert "Address already in use; name another port" in outcome.stderr


def test_workers_with_the_same_name_have_separate_metrics(tmp_path: Path) -> None:
    """Workers of a cluster share names, and so do a dead worker and its replacement."""
    endpoint = EndpointStatus(url="http://e", in_flight=3, slots=4, mean_latency_s=1.0, is_well=True)
    state = WorkerState(
        worker="captioner", purpose="makes captions", host="a", pid=1, state="at work", seconds=9.0,
        silent_s=0.0, unit="", unit_s=0.0, units=1, items=9, items_per_s=1.0, units_per_h=1.0, in_flight=3.0,
        slots=4, endpoints=(endpoint,),
    )  # fmt: skip
    states = [state, msgspec.structs.replace(state, pid=2), msgspec.structs.replace(state, host="b")]

    for family in _worker_metrics(states):
        labels = [tuple(sorted(sample.labels.items())) for sample in family.samples]
        assert len(labels) == len(set(labels)), family.name
