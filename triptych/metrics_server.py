"""The figures of a run for Prometheus, over HTTP while the run is at work.

Comes in: a run folder: what its stages note in run.json, the heartbeats of its workers. Goes out: on
``/metrics`` the same figures that `triptych status` shows, at most some ten seconds old. Nothing is measured
here, and a scrape reads run.json and a small file a worker, whatever the run's size. Not its job: measuring
(see captioning.metrics), what to draw of it (see docs/grafana.json).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from triptych.captioning.metrics import SHORTEST_S, STEP, JobMetrics, from_notes
from triptych.errors import SetupError, TriptychError, UsageError
from triptych.extras import require
from triptych.runs.folder import RunFolder, Setting
from triptych.workers import WorkerState, worker_states

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

LOOPBACK = "127.0.0.1"

_CLASSES_A_BUCKET = 7
"""Of the latency histogram's classes: bounds then grow by 1.95."""

_BUCKETS = 22
"""The last one's bound is 20 minutes."""


@contextlib.contextmanager
def metrics_served(address: str | None, run: Path) -> Iterator[None]:
    """Serve the figures of ``run`` at ``[HOST:]PORT``, on loopback where no host is named; None: not at all.

    Raises UsageError for another form, SetupError where the port is taken or prometheus_client is missing.
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
    """What Prometheus gets at a scrape."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: a run has no figures before its first stage."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        with contextlib.suppress(TriptychError, OSError):  # no run.json yet, or it is just being written
            folder = RunFolder.open(self._run)
            notes = {name: state.notes for name, state in folder.run_file.stages.items()}
            yield from _stage_metrics(folder)
            yield from _image_metrics(notes.get("embeddings", {}), notes.get("sets", {}))
            yield from _caption_metrics(notes.get("captions", {}), notes.get("verdicts", {}))
        yield from _worker_metrics(worker_states(self._run))


def _stage_metrics(folder: RunFolder) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    finished = GaugeMetricFamily("triptych_stage_finished", "1 where the stage is finished", labels=["stage"])
    for name in folder.every_stage:
        finished.add_metric([name], float(folder.is_finished(name)))
    yield finished


def _image_metrics(embeddings: Mapping[str, Setting], sets: Mapping[str, Setting]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    images = GaugeMetricFamily("triptych_images", "Image files, by what became of them", labels=["state"])
    if (found := _number(embeddings.get("found"))) is not None:
        unreadable = sum(_by_class(embeddings.get("unreadable_by")).values())
        images.add_metric(["embedded"], found - unreadable)
        images.add_metric(["unreadable"], unreadable)
    if (in_sets := _number(sets.get("images_in_sets"))) is not None:
        images.add_metric(["in sets"], in_sets)
        images.add_metric(["duplicate"], sum(_by_class(sets.get("duplicates_by")).values()))
    yield images


def _caption_metrics(captions: Mapping[str, Setting], verdicts: Mapping[str, Setting]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    def gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"triptych_{name}", what, labels=["job", *labels])

    def counter(name: str, what: str, *labels: str) -> CounterMetricFamily:
        return CounterMetricFamily(f"triptych_{name}", what, labels=["job", *labels])

    planned = gauge("captions_planned", "Captions that the plan has")
    there = gauge("captions_there", "Captions that are there, of all runs")
    left = gauge("captions_left", "Captions that are still missing")
    failed = gauge("captions_failed", "Captions that failed, by class", "class")
    kept = gauge("captions_kept", "Captions that the filter kept")
    eta = gauge("eta_seconds", "How long what is left takes at the pace so far")
    made = counter("captions", "Captions that were made since the job's first")
    tokens = counter("tokens", "Tokens of prompts and of completions", "kind")
    retried = counter("requests_retried", "Requests that were sent more than once because of faults")
    again = counter("captions_asked_again", "Captions that were asked again: the first answer was of no use")
    slots = gauge("engine_slots", "Requests that the engine works on at a time when it is full")
    slot_s = counter("engine_slot_seconds", "The integral of the engine's taken slots")
    latency = HistogramMetricFamily("triptych_caption_latency_seconds", "What a caption took", labels=["job"])
    for job in [key.removesuffix(".planned") for key in captions if key.endswith(".planned")]:
        figures, count = from_notes(job, captions), _number(captions[f"{job}.planned"]) or 0
        failures = _by_class(captions.get(f"{job}.failed_by"))
        captioned = _number(captions.get(f"{job}.captioned")) or 0
        missing = count - captioned - sum(failures.values())
        planned.add_metric([job], count)
        there.add_metric([job], captioned)
        left.add_metric([job], missing)
        for name, number in failures.items():
            failed.add_metric([job, name], number)
        if (number_kept := _number(verdicts.get(f"{job}.kept"))) is not None:
            kept.add_metric([job], number_kept)
        if figures.rate:
            eta.add_metric([job], missing / figures.rate)
        made.add_metric([job], figures.made)
        tokens.add_metric([job, "prompt"], figures.prompt_tokens)
        tokens.add_metric([job, "completion"], figures.completion_tokens)
        retried.add_metric([job], figures.retried)
        again.add_metric([job], figures.asked_again)
        slots.add_metric([job], figures.slots)
        slot_s.add_metric([job], figures.slot_s)
        latency.add_metric([job], _buckets(figures), sum_value=None)
    yield from (planned, there, left, failed, kept, eta, made, tokens, retried, again, slots, slot_s, latency)


def _worker_metrics(states: Iterable[WorkerState]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    def gauge(name: str, what: str, *labels: str) -> GaugeMetricFamily:
        of_whom = labels or ("purpose", "worker", "host", "pid")
        return GaugeMetricFamily(f"triptych_{name}", what, labels=of_whom)

    workers = gauge("workers", "Workers by state", "purpose", "state")
    in_flight = gauge("in_flight", "Requests that the worker's engine has, on average over a beat")
    slots = gauge("worker_slots", "How many it has at a time when it is full")
    pace = gauge("worker_items_per_second", "Images or captions of the worker, over five minutes")
    units = gauge("worker_units_per_hour", "Units of the worker, over five minutes")
    silent = gauge("worker_silent_seconds", "Since the worker's last beat")
    slow = gauge("worker_slow", "1 where the worker is slow beside those that do the same")
    whose = ("purpose", "worker", "host", "pid", "endpoint")
    asked = gauge("endpoint_in_flight", "Requests that the endpoint has", *whose)
    answers_s = gauge("endpoint_latency_seconds", "Mean of its answers, the newest most", *whose)
    well = gauge("endpoint_up", "1 where the endpoint answers", *whose)
    by_state: dict[tuple[str, str], int] = {}
    for each in states:
        by_state[each.purpose, each.state] = by_state.get((each.purpose, each.state), 0) + 1
        if each.state == "ended":
            continue
        who = [each.purpose, each.worker, each.host, str(each.pid)]
        in_flight.add_metric(who, each.in_flight)
        slots.add_metric(who, each.slots)
        pace.add_metric(who, each.items_per_s)
        units.add_metric(who, each.units_per_h)
        silent.add_metric(who, each.silent_s)
        slow.add_metric(who, float(bool(each.slow_because)))
        for endpoint in each.endpoints:
            asked.add_metric([*who, endpoint.url], endpoint.in_flight)
            answers_s.add_metric([*who, endpoint.url], endpoint.mean_latency_s)
            well.add_metric([*who, endpoint.url], float(endpoint.is_well))
    for (purpose, state), count in by_state.items():
        workers.add_metric([purpose, state], count)
    yield from (workers, in_flight, slots, pace, units, silent, slow, asked, answers_s, well)


def _buckets(figures: JobMetrics) -> list[tuple[str, float]]:
    """Prometheus's cumulative ones, whose bounds are among those that were counted by."""
    buckets = []
    for last in range(0, _BUCKETS * _CLASSES_A_BUCKET, _CLASSES_A_BUCKET):
        count = sum(number for slot, number in figures.latencies.items() if slot <= last)
        buckets.append((f"{SHORTEST_S * STEP**last:.4g}", float(count)))
    return [*buckets, ("+Inf", float(sum(figures.latencies.values())))]


def _number(note: Setting) -> int | None:
    return note if isinstance(note, int) else None


def _by_class(note: Setting) -> dict[str, int]:
    """What the ledger's ``as_note`` made."""
    return msgspec.json.decode(note, type=dict[str, int]) if isinstance(note, str) else {}
