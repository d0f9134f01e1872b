"""No text makes a rule raise, or keeps it busy."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.filter_worst import MOST_BYTES, PIECES, Worst, cut
from triptych.filtering.candidate import Candidate
from triptych.filtering.old_rules import RULES
from triptych.records import JOB_NAMES, JobName

MOST_MS_A_RULE = 100.0
"""Of processor time: ten times what the issue allows, and a sixth of what a quadratic pattern took."""
SECONDS_FOR_ALL_RULES = 2.0
"""A hundred times what the slowest rule takes; a pattern that explodes takes minutes."""


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_no_rule_is_slow_on_what_patterns_choke_on(job: JobName) -> None:
    """20 KB of each piece again and again: quadratic time would be far beyond the bound."""
    worst = Worst()
    for piece in PIECES:
        worst.see(cut(piece * MOST_BYTES), job, 3)

    assert {name: ms for name, (ms, _, _) in worst.ms.items() if ms > MOST_MS_A_RULE} == {}


@st.composite
def long_texts(draw: st.DrawFn) -> str:
    """A few pieces, each many times over: what backtracking patterns choke on."""
    parts = draw(
        st.lists(st.tuples(st.sampled_from(PIECES) | st.text(max_size=8), st.integers(1, 6000)), max_size=6)
    )
    text = "".join(piece * times for piece, times in parts)
    return text[: MOST_BYTES // 3]


@settings(derandomize=True, max_examples=150, deadline=None)
@given(text=long_texts() | st.text(max_size=2000), job=st.sampled_from(JOB_NAMES), images=st.integers(1, 5))
def test_rules_stay_quick_on_any_text(text: str, job: JobName, images: int) -> None:
    """Far from a timing: a catastrophic pattern would not come back at all."""
    candidate = Candidate(text=text, job=job, image_count=images, counterpart=text[::-1])
    began = time.perf_counter()
    for rule in RULES.values():
        rule.measure(candidate)

    assert time.perf_counter() - began < SECONDS_FOR_ALL_RULES
