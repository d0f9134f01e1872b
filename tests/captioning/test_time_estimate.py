"""What is said of the time that captions will take: what was measured in this run, or that nothing was."""

from __future__ import annotations

import pytest

from triptych.captioning.time_estimate import expected_time

MISSING = {"single_en": 10_999_950, "single_zh": 0, "multi_en": 76_950}


def test_without_a_measurement_the_time_is_unknown() -> None:
    """And how to get one is said; no rate is made up."""
    said = expected_time({}, MISSING)

    assert "11,076,900 captions to make, time unknown until measured: try --sample 50 first" == said


def test_measured_rates_of_this_run_are_used_and_named() -> None:
    """Each job's own; a job that is done doesn't count."""
    notes = {"single_en.made": 50, "single_en.seconds": 10.0, "multi_en.made": 50, "multi_en.seconds": 40.0}

    assert (
        "about 26.2 days for 11,076,900 captions, as fast as so far in this run"
        " (single_en 5/s, multi_en 1.25/s)" == expected_time(notes, MISSING)
    )


def test_a_job_without_a_measurement_is_named() -> None:
    """Its captions aren't in the time."""
    notes = {"multi_en.made": 50, "multi_en.seconds": 40.0, "single_en.made": 0, "single_en.seconds": 3.0}

    said = expected_time(notes, MISSING)

    assert said.startswith("about 17.1 h for 76,950 captions")
    assert said.endswith("unknown for 10,999,950 of single_en")


@pytest.mark.parametrize(("seconds", "words"), [(80, "80 s"), (600, "10 min"), (36_000, "10.0 h")])
def test_a_duration_is_given_in_the_unit_that_suits_it(seconds: int, words: str) -> None:
    """From seconds to days."""
    said = expected_time({"multi_en.made": 10, "multi_en.seconds": 10.0}, {"multi_en": seconds})

    assert said.startswith(f"about {words} for")
