"""The training loop of all models: steps until the budget is spent, snapshots, a log.

Comes in: a task, a budget. Goes out: averaged weights in a model folder, every few minutes and at the end.
Not its job: what is learnt (see the ``*_training`` modules).
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

LOG_EVERY_STEPS = 50

_log = logging.getLogger(__name__)

Losses = Mapping[str, torch.Tensor]


def half_precision() -> torch.autocast:
    """Autocast to bfloat16 if the processor multiplies such matrices natively; others are 40 times slower."""
    return torch.autocast(
        "cpu", torch.bfloat16, enabled=torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    )


class TrainingTask(Protocol):
    """A model and the losses that it is trained with."""

    model: nn.Module
    extra: nn.Module
    """Trained with the model, never exported."""

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """The loss of one step, and its parts by name for the log."""

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model folder with ``weights``."""


def train(task: TrainingTask, budget: Budget, folder: Path, *, peak_rate: float, resume: bool) -> None:
    """Train until the budget is spent; ``folder`` always holds the latest snapshot."""
    state = TrainingState(task.model, task.extra, peak_rate, budget)
    if resume and budget.checkpoint.exists():
        state.load()
    snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    averages: dict[str, float] = {}
    while state.progress < 1:
        rng = Random(f"{budget.seed} {state.step}")
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        loss, parts = task.losses(state.progress, rng, generator)
        state.learn(loss)
        for name, part in parts.items():
            averages[name] = 0.95 * averages.get(name, float(part)) + 0.05 * float(part)
        if state.step % LOG_EVERY_STEPS == 0:
            _log_step(state, averages)
        if time.monotonic() > snapshot_at:
            state.save()
            task.export(state.averaged, folder)
            _log.info("step %d: snapshot in %s", state.step, folder)
            snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    state.save()
    task.export(state.averaged, folder)
    _log.info("done: %d steps, %.1f min", state.step, state.seconds / 60)


def _log_step(state: TrainingState, averages: Mapping[str, float]) -> None:
    parts = " ".join(f"{name} {loss:.3f}" for name, loss in averages.items())
    values = (state.step, state.seconds / 60, state.rate, state.progress, parts)
    _log.info("step %d, %.1f min, rate %.5f, progress %.3f: %s", *values)
