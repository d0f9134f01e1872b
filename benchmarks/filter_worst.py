"""The longest time that each rule takes on a text of 20 KB, over texts designed to be slow.

    python -m benchmarks.filter_worst [--drawn 300]

The result for a rule is the CPU time for its slowest text in milliseconds, the minimum of three tries. Each
rule gets a caption that no other rule has parsed; ``caption`` is what all rules share, such as its units, and
``needles`` the search for the needles of all rules. The texts are fixed ones that are hard for regular
expressions, and texts that hypothesis generates with a fixed seed (see tests.support.odd_texts). A rule may
take MAX_MS.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import click
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.record import record, refuse_dirty_tree
from tests.support.contexts import JOBS
from tests.support.odd_texts import MAX_BYTES, drawn_texts, fixed_texts
from triptych.filtering.caption import CaptionText
from triptych.filtering.rules import RULES
from triptych.filtering.scoring import NeedleFinder
from triptych.languages import LANGUAGES
from triptych.prompts import Naming, Prompt

PROMPT = Prompt(
    version=1, text="", naming=Naming(label="Image-{number}", pattern=r"(?i)image[- ]?\\d+|图\\d+")
)

MAX_MS = 10.0
SEED = 20260101


class SlowestTexts:
    """The slowest text of each rule so far."""

    def __init__(self) -> None:
        self.ms: dict[str, tuple[float, str, str]] = {}

    def measure(self, text: str, job: str, images: int) -> None:
        """Time every rule on ``text``; a candidate for the slowest text is timed three times."""
        language = JOBS[job].language

        def caption() -> CaptionText:
            return CaptionText(
                text,
                LANGUAGES[language],
                subject=JOBS[job].subject,
                image_count=images,
                prompt=PROMPT if images % 2 else None,
                counterparts={"zh" if language == "en" else "en": text[::-1]},
            )

        find = NeedleFinder(frozenset().union(*(rule.needles for rule in RULES)))
        self._time("caption", lambda: caption, job, text)
        self._time("needles", lambda: functools.partial(find, caption().lowered), job, text)
        for rule in RULES:
            measure = rule.measure
            if measure is not None and rule.reads(LANGUAGES[language]):
                self._time(rule.name, lambda m=measure: functools.partial(m, caption()), job, text)  # type: ignore[misc]

    def _time(self, name: str, prepare: Callable[[], Callable[[], object]], job: str, text: str) -> None:
        slowest = self.ms.get(name, (0.0, job, ""))[0]
        least = float("inf")
        for _ in range(3):
            run = prepare()
            began = time.process_time()
            run()
            least = min(least, 1000 * (time.process_time() - began))
            if least <= slowest:
                return
        self.ms[name] = (least, job, text)


@click.command()
@click.option("--drawn", default=300, help="How many texts hypothesis generates.")
def main(drawn: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    slowest, seen = SlowestTexts(), 0
    for at, text in enumerate(fixed_texts()):
        for job in JOBS:
            slowest.measure(text, job, 2 + at % 4)
            seen += 1

    @seed(SEED)
    @settings(
        max_examples=drawn,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(text=drawn_texts(), job=st.sampled_from(list(JOBS)), images=st.integers(1, 6))
    def draw(text: str, job: str, images: int) -> None:
        nonlocal seen
        seen += 1
        slowest.measure(text, job, images)

    draw()
    in_order = sorted(slowest.ms.items(), key=lambda item: -item[1][0])
    record(
        "filter_worst",
        "python -m benchmarks.filter_worst",
        {
            "texts": seen,
            "bytes_a_text": MAX_BYTES,
            "allowed_ms": MAX_MS,
            "worst_ms": {name: round(ms, 2) for name, (ms, _, _) in in_order},
            "worst_text": {
                name: f"{job}: {text[:30].encode('unicode_escape').decode()}"
                for name, (_, job, text) in in_order
            },
        },
    )


if __name__ == "__main__":
    main()
