"""No text makes a rule slow or raises an error in it."""

import functools
import time

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support.contexts import JOBS, filter_jobs_of
from tests.support.odd_texts import drawn_texts, fixed_texts
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import CaptionInput, Scorer

MAX_S = 1.0
"""For all rules on a text of 20 KB. A pattern that backtracks takes minutes."""


@functools.cache
def scorer() -> Scorer:
    return make_scorer(FilteringConfig(), filter_jobs_of())


@seed(20260101)
@settings(
    max_examples=60,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(text=drawn_texts(), job=st.sampled_from(sorted(JOBS)), images=st.integers(1, 6))
def test_no_random_text_makes_a_rule_slow_or_fail(text: str, job: str, images: int) -> None:
    """Processor time is measured, so it makes no difference if the machine is busy."""
    began = time.process_time()

    scores = scorer().all_scores(CaptionInput("a", job, text, images, counterparts={"zh": text[::-1]}))

    assert time.process_time() - began < MAX_S
    assert all(score >= 0 for score in scores.values())


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_no_rule_is_slow_on_text_that_patterns_look_for(job: str) -> None:
    """Each such text is repeated many times, alone and in pairs."""
    slow = []
    for text in fixed_texts():
        began = time.process_time()
        scorer().all_scores(CaptionInput("a", job, text, 3))
        if time.process_time() - began > MAX_S:
            slow.append(text[:30])

    assert [] == slow
