"""Metrics of a run for Prometheus, over HTTP while the run is at work.

Comes in: a run folder, with the notes of its stages in run.json and the heartbeats of its workers. Goes out:
on ``/metrics`` the figures of `triptych status`, at most about ten seconds old. A scrape reads run.json and a
small file per worker, whatever the size of the run. Not its job: measuring (see captioning.metrics),
dashboards (see docs/grafana.json).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from triptych.captioning.metrics import SHORTEST_S, STEP, JobMetrics, from_notes
from triptych.errors import SetupError, TriptychError, UsageError
from triptych.extras import require
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.heartbeats import EndpointStatus
from triptych.workers import WorkerState, worker_states

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.metrics_core import Metric

Samples = Iterable[tuple[Sequence[str], float]]
"""The values of the labels, and a number."""

LOOPBACK = "127.0.0.1"

_CLASSES_PER_BUCKET = 7
"""How many classes of the latency histogram make a bucket, so that bounds grow by a factor of 1.95."""

_BUCKETS = 22
"""The last one's bound is 20 minutes."""


@contextlib.contextmanager
def serve_metrics(address: str | None, run: Path) -> Iterator[None]:
    """Serve the metrics of ``run`` at ``[HOST:]PORT``, by default on loopback; with None, serve nothing.

    Raises UsageError for an invalid address, SetupError if the port is taken or prometheus_client is missing.
    """
    if address is None:
        yield
        return
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"--metrics {address}: expected PORT or HOST:PORT, such as 9400 or 0.0.0.0:9400")
    require("metrics", "prometheus_client", what="--metrics")
    from prometheus_client import CollectorRegistry, start_http_server

    registry = CollectorRegistry()
    registry.register(RunCollector(run))
    try:
        server, thread = start_http_server(int(port), host.strip("[]") or LOOPBACK, registry)
    except OSError as error:
        raise SetupError(f"--metrics {address}: {error.strerror or error}; name another port") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class RunCollector:
    """Collects the metrics of a run for each scrape."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def describe(self) -> Iterable[Metric]:
        """Nothing: a run has no metrics before its first stage."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        with contextlib.suppress(TriptychError, OSError):  # no run.json yet, or one that is being written
            folder = RunFolder.open(self._run)
            notes = {name: state.notes for name, state in folder.run_file.stages.items()}
            yield from _stage_metrics(folder)
            yield from _image_metrics(notes.get("embeddings", {}), notes.get("sets", {}))
            yield from _caption_metrics(notes.get("captions", {}), notes.get("verdicts", {}))
        yield from _worker_metrics(worker_states(self._run))


def _gauge(name: str, help: str, labels: Sequence[str], samples: Samples) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(f"triptych_{name}", help, labels=labels), samples)


def _counter(name: str, help: str, labels: Sequence[str], samples: Samples) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(f"triptych_{name}", help, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for label_values, number in samples:
        family.add_metric(label_values, number)
    return family


def _stage_metrics(folder: RunFolder) -> Iterator[Metric]:
    finished = (([name], float(folder.is_finished(name))) for name in folder.every_stage)
    yield _gauge("stage_finished", "1 if the stage is finished", ["stage"], finished)


def _image_metrics(embeddings: Mapping[str, Setting], sets: Mapping[str, Setting]) -> Iterator[Metric]:
    by_state: dict[str, int] = {}
    if (found := _number(embeddings.get("found"))) is not None:
        unreadable = sum(_by_class(embeddings.get("unreadable_by")).values())
        by_state |= {"embedded": found - unreadable, "unreadable": unreadable}
    if (in_sets := _number(sets.get("images_in_sets"))) is not None:
        duplicates = sum(_by_class(sets.get("duplicates_by")).values())
        by_state |= {"in sets": in_sets, "duplicate": duplicates}
    samples = (([state], count) for state, count in by_state.items())
    yield _gauge("images", "Image files, by what became of them", ["state"], samples)


def _caption_metrics(captions: Mapping[str, Setting], verdicts: Mapping[str, Setting]) -> Iterator[Metric]:
    from prometheus_client.core import HistogramMetricFamily

    jobs = [key.removesuffix(".planned") for key in captions if key.endswith(".planned")]
    figures = {job: from_notes(job, captions) for job in jobs}
    planned = {job: _number(captions[f"{job}.planned"]) or 0 for job in jobs}
    captioned = {job: _number(captions.get(f"{job}.captioned")) or 0 for job in jobs}
    failed = {job: _by_class(captions.get(f"{job}.failed_by")) for job in jobs}
    left = {job: planned[job] - captioned[job] - sum(failed[job].values()) for job in jobs}
    kept = {job: _number(verdicts.get(f"{job}.kept")) for job in jobs}
    eta_s = {job: left[job] / each.rate for job, each in figures.items() if each.rate}
    failures = (([job, name], count) for job in jobs for name, count in failed[job].items())
    tokens = (
        ([job, kind], count)
        for job, each in figures.items()
        for kind, count in (("prompt", each.prompt_tokens), ("completion", each.completion_tokens))
    )

    def gauge(name: str, help: str, by_job: Mapping[str, float | None]) -> Metric:
        samples = (([job], number) for job, number in by_job.items() if number is not None)
        return _gauge(name, help, ["job"], samples)

    def counter(name: str, help: str, figure: Callable[[JobMetrics], float]) -> Metric:
        return _counter(name, help, ["job"], (([job], figure(each)) for job, each in figures.items()))

    yield gauge("captions_planned", "Captions that the plan has", planned)
    yield gauge("captions_there", "Captions that have been made, over all restarts", captioned)
    yield gauge("captions_left", "Captions that are still missing", left)
    yield _gauge("captions_failed", "Captions that failed, by class", ["job", "class"], failures)
    yield gauge("captions_kept", "Captions that the filter kept", kept)
    yield gauge("eta_seconds", "Time that the missing captions take at the pace so far", eta_s)
    yield counter("captions", "Captions that were made since the job's first", lambda it: it.made)
    yield _counter("tokens", "Tokens of prompts and of completions", ["job", "kind"], tokens)
    yield counter("requests_retried", "Requests repeated because of faults", lambda it: it.retried)
    yield counter("captions_asked_again", "Captions with an unusable answer", lambda it: it.asked_again)
    slots = {job: each.slots for job, each in figures.items()}
    yield gauge("engine_slots", "Requests that the engine works on at a time when it is full", slots)
    yield counter("engine_slot_seconds", "The integral of the engine's taken slots", lambda it: it.slot_s)
    latency = HistogramMetricFamily("triptych_caption_latency_seconds", "Time per caption", labels=["job"])
    for job, each in figures.items():
        latency.add_metric([job], _buckets(each), sum_value=None)
    yield latency


def _worker_metrics(states: Sequence[WorkerState]) -> Iterator[Metric]:
    live = [state for state in states if state.state != "ended"]
    labels = ("purpose", "worker", "host", "pid")

    def label_values(state: WorkerState) -> list[str]:
        return [state.purpose, state.worker, state.host, str(state.pid)]

    def gauge(name: str, help: str, value: Callable[[WorkerState], float]) -> Metric:
        return _gauge(name, help, labels, ((label_values(state), value(state)) for state in live))

    def endpoint_gauge(name: str, help: str, value: Callable[[EndpointStatus], float]) -> Metric:
        samples = (([*label_values(state), e.url], value(e)) for state in live for e in state.endpoints)
        return _gauge(name, help, (*labels, "endpoint"), samples)

    by_state = Counter((state.purpose, state.state) for state in states)
    yield _gauge("workers", "Workers by state", ("purpose", "state"), by_state.items())
    yield gauge("in_flight", "Requests in its engine, mean over a heartbeat", lambda it: it.in_flight)
    yield gauge("worker_slots", "Requests that its engine works on when it is full", lambda it: it.slots)
    yield gauge("worker_items_per_second", "Images or captions, over five minutes", lambda it: it.items_per_s)
    yield gauge("worker_units_per_hour", "Units of work, over five minutes", lambda it: it.units_per_h)
    yield gauge("worker_silent_seconds", "Time since the last heartbeat", lambda it: it.silent_s)
    yield gauge("worker_slow", "1 if slower than others of its purpose", lambda it: bool(it.slow_because))
    yield endpoint_gauge("endpoint_in_flight", "Requests in flight", lambda it: it.in_flight)
    yield endpoint_gauge("endpoint_latency_seconds", "Moving mean latency", lambda it: it.mean_latency_s)
    yield endpoint_gauge("endpoint_up", "1 if the endpoint answers", lambda it: it.is_well)


def _buckets(figures: JobMetrics) -> list[tuple[str, float]]:
    """The cumulative buckets of Prometheus, whose bounds are bounds of our own classes."""
    buckets = []
    for last in range(0, _BUCKETS * _CLASSES_PER_BUCKET, _CLASSES_PER_BUCKET):
        count = sum(number for slot, number in figures.latencies.items() if slot <= last)
        buckets.append((f"{SHORTEST_S * STEP**last:.4g}", float(count)))
    return [*buckets, ("+Inf", float(sum(figures.latencies.values())))]


def _number(note: Setting) -> int | None:
    return note if isinstance(note, int) else None


def _by_class(note: Setting) -> dict[str, int]:
    """Counts by class from a note that the ledger's ``as_note`` wrote."""
    return msgspec.json.decode(note, type=dict[str, int]) if isinstance(note, str) else {}
