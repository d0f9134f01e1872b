"""What is counted while captioning, and how it adds up."""

from __future__ import annotations

from triptych.captioning.engine import Completion
from triptych.captioning.metrics import JobMetrics, as_notes, from_notes
from triptych.captioning.regenerate import Answer


def test_figures_survive_a_restart() -> None:
    """Through the notes of run.json, and count on."""
    figures = JobMetrics(seconds=10.0, slots=4, slot_s=20.0)
    completion = Completion(id="x", text="A kite.", prompt_tokens=300, completion_tokens=5, attempts=3)
    figures.count([Answer(completion=completion, asked_again=("loop",))], took_s=2.0)
    figures.count([Answer(completion=Completion(id="y", failure="no answer: z"))], took_s=8.0)

    again = from_notes("single_en", as_notes("single_en", figures))

    assert figures == again
    assert (1, 1, 1, 1) == (again.made, again.failed, again.retried, again.asked_again)
    assert (0.1, 0.5, 0.5) == (again.rate, again.tokens_per_s, again.busy_share)


def test_percentiles_are_at_most_a_tenth_too_high() -> None:
    """Of a histogram of fixed size."""
    figures = JobMetrics()
    for number in range(1, 1001):
        figures.count([Answer(completion=Completion(id="x"))], took_s=number / 100)

    assert 5.0 <= figures.latency_s(0.5) <= 5.5
    assert 9.9 <= figures.latency_s(0.99) <= 10.9
    assert len(figures.latencies) < 100
