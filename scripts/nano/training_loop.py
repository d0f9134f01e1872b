"""What all trainings share: steps until the budget is spent, snapshots, a log.

Comes in: a course, a budget. Goes out: averaged weights, in a model folder every few minutes and at the end.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Protocol

import torch
from torch import nn
from training_state import Budget, TrainingState

LOG_EVERY = 50

_log = logging.getLogger(__name__)

Losses = Mapping[str, torch.Tensor]


def half_precision() -> torch.autocast:
    """bfloat16 where the processor multiplies such matrices as one: without that it is 40 times slower."""
    return torch.autocast(
        "cpu", torch.bfloat16, enabled=torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    )


class Course(Protocol):
    """What a model learns."""

    model: nn.Module
    extra: nn.Module
    """Trained, never exported."""

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """Of one step: what is to become less, and its parts by name, for the log."""

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model's folder with ``weights``."""


def train(course: Course, budget: Budget, folder: Path, *, peak_rate: float, resume: bool) -> None:
    """Train until the budget is spent; ``folder`` always holds the latest snapshot."""
    state = TrainingState(course.model, course.extra, peak_rate, budget)
    if resume and budget.checkpoint.exists():
        state.load()
    snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    averages: dict[str, float] = {}
    while state.progress < 1:
        rng = Random(f"{budget.seed} {state.step}")
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        loss, parts = course.losses(state.progress, rng, generator)
        state.learn(loss)
        for name, part in parts.items():
            averages[name] = 0.95 * averages.get(name, float(part)) + 0.05 * float(part)
        if state.step % LOG_EVERY == 0:
            _log_step(state, averages)
        if time.monotonic() > snapshot_at:
            state.save()
            course.export(state.averaged, folder)
            _log.info("step %d: snapshot in %s", state.step, folder)
            snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    state.save()
    course.export(state.averaged, folder)
    _log.info("done: %d steps, %.1f min", state.step, state.seconds / 60)


def _log_step(state: TrainingState, averages: Mapping[str, float]) -> None:
    parts = " ".join(f"{name} {loss:.3f}" for name, loss in averages.items())
    minutes = state.seconds / 60
    _log.info(
        "step %d, %.1f min, rate %.5f, progress %.3f: %s",
        state.step,
        minutes,
        state.rate,
        state.progress,
        parts,
    )
