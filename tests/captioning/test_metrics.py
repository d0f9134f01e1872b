"""Metrics of captioning, and the expected time computed from them."""

from __future__ import annotations

import pytest

from triptych.captioning.engine import Completion
from triptych.captioning.metrics import JobMetrics, as_notes, expected_time, from_notes
from triptych.captioning.regenerate import Answer

MISSING = {"single_en": 10_999_950, "single_zh": 0, "multi_en": 76_950}


def test_metrics_survive_a_restart() -> None:
    """They are kept in the notes of run.json."""
    metrics = JobMetrics(seconds=10.0, slots=4, slot_s=20.0)
    completion = Completion(id="x", text="A kite.", prompt_tokens=300, completion_tokens=5, attempts=3)
    metrics.count([Answer(completion=completion, asked_again=("loop",))], took_s=2.0)
    metrics.count([Answer(completion=Completion(id="y", failure="no answer: z"))], took_s=8.0)

    again = from_notes("single_en", as_notes("single_en", metrics))

    assert metrics == again
    assert (1, 1, 1, 1) == (again.made, again.failed, again.retried, again.asked_again)
    assert (0.1, 0.5, 0.5) == (again.rate, again.tokens_per_s, again.busy_share)


def test_percentiles_are_at_most_a_tenth_too_high() -> None:
    """They come from a histogram of fixed size."""
    metrics = JobMetrics()
    for number in range(1, 1001):
        metrics.count([Answer(completion=Completion(id="x"))], took_s=number / 100)

    assert 5.0 <= metrics.latency_s(0.5) <= 5.5
    assert 9.9 <= metrics.latency_s(0.99) <= 10.9
    assert len(metrics.latencies) < 100


def test_without_a_measurement_the_time_is_unknown() -> None:
    """The message says how to measure it."""
    message = expected_time({}, MISSING)

    assert "11,076,900 captions to make, time unknown until measured: try --sample 50 first" == message


def test_measured_rates_of_this_run_are_used_and_named() -> None:
    """Each job has its own. Finished jobs are left out."""
    notes = {"single_en.made": 50, "single_en.seconds": 10.0, "multi_en.made": 50, "multi_en.seconds": 40.0}

    assert (
        "about 26.2 days for 11,076,900 captions, as fast as so far in this run"
        " (single_en 5/s, multi_en 1.25/s)" == expected_time(notes, MISSING)
    )


def test_a_job_without_a_measurement_is_named() -> None:
    """Its captions aren't included in the time."""
    notes = {"multi_en.made": 50, "multi_en.seconds": 40.0, "single_en.made": 0, "single_en.seconds": 3.0}

    message = expected_time(notes, MISSING)

    assert message.startswith("about 17.1 h for 76,950 captions")
    assert message.endswith("unknown for 10,999,950 of single_en")


@pytest.mark.parametrize(("seconds", "words"), [(80, "80 s"), (600, "10 min"), (36_000, "10.0 h")])
def test_a_duration_is_given_in_a_suitable_unit(seconds: int, words: str) -> None:
    """In seconds, minutes or hours."""
    message = expected_time({"multi_en.made": 10, "multi_en.seconds": 10.0}, {"multi_en": seconds})

    assert message.startswith(f"about {words} for")
