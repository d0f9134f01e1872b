"""An engine that returns prepared captions of drawn scenes, some with one untrue statement.

Comes in: a run whose sets are made, its scenes by key, a seed. Goes out: captions in the run's journals, with
`captioning.engine = "benchmarks.planted_captions:SPEC"`, and the kind of untruth in each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import msgspec

from scripts.nano.untruths import PLANTED, planted_caption
from scripts.nano.wording import describe, describe_set
from tests.crash.engine import SPEC as MARKS
from tests.crash.engine import MarkingEngine
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.demo.scene import Scene
from triptych.runs.context import RunContext

_PREPARED: dict[str, str] = {}
"""Captions by request id."""


def plan_captions(context: RunContext, scenes: Mapping[str, Scene], seed: int) -> dict[str, str]:
    """Prepare all captions of the context's jobs, half of them with one untrue statement.

    Returns the kind of untruth by caption: one of ``PLANTED``, or "".
    """
    kinds: dict[str, str] = {}
    for job in context.jobs:
        for _, targets in context.plan(job).shards():
            for target in targets:
                rng = Random(f"{seed} {target.id}")
                shown = [scenes[image.key.rpartition("/")[2]] for image in target.images]
                kind = rng.choice(PLANTED) if rng.random() < 0.5 else ""
                untrue = planted_caption(shown, job.language, kind, rng) if kind else None
                true = (
                    describe_set(shown, job.language) if len(shown) > 1 else describe(shown[0], job.language)
                )
                _PREPARED[target.id] = untrue or true
                kinds[target.id] = kind if untrue else ""
    return kinds


class PreparedEngine(MarkingEngine):
    """Returns the prepared captions."""

    group_size = 32
    identity: Mapping[str, str] = {"served_model": "planned captions"}

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        """One completion for each request."""
        return [Completion(id=each.id, text=_PREPARED[each.id], finish_reason="stop") for each in requests]

    def describe(self) -> str:
        """The engine's name in messages."""
        return "planned captions"


SPEC = msgspec.structs.replace(
    MARKS, name="planned", open=lambda model, config, limits, logs, say: PreparedEngine()
)
