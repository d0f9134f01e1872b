"""No text makes a rule raise, or keeps it busy."""

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.records import JOB_NAMES, JobName
from filtering.candidate import Candidate
from filtering.rules import RULES

MOST_BYTES = 20_000
SECONDS_FOR_ALL_RULES = 2.0
"""A hundred times what the slowest rule takes; a pattern that explodes takes minutes."""

PIECES = [
    *" a1-*#.,;:!?()[]{}<>|`\"'“”「」\n\t\\/@&第张图一二的船，。、",
    "image 1 ", "Image-", "the first ", "images 1, 2 and ", "第一张图片", "图1和", "1. x 2. ", "**",
    "a, b, ", "\\n",
    "I am ", "please ", "(1) ", " - ", "<|im", "abab", "12 34 56 78 ", "a@b.c", "two men ", "两名",
    "é", "한", "🙂", "\ud800",
]  # fmt: skip


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
