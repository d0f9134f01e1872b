"""The state of a training: learning rate schedule, averaged weights, and checkpoints that survive a kill.

The schedule follows progress from 0 to 1: the share of ``steps`` that is done or, if ``minutes`` is given and
it is larger, the share of that time. With steps alone a training is reproducible; with minutes it ends in
time on a busy machine.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

WARM_UP = 0.03
FINAL_RATE = 0.01
AVERAGING = 0.998


@dataclass(frozen=True)
class Budget:
    """When a training ends, how often and where it saves, and its seed."""

    steps: int
    minutes: float | None
    snapshot_every_minutes: float
    checkpoint: Path
    seed: int


class TrainingState:
    """The optimiser, averaged weights and clock of a training. ``extra`` is trained but never exported."""

    def __init__(self, model: nn.Module, extra: nn.Module, peak_rate: float, budget: Budget) -> None:
        self.model, self.extra, self.budget = model, extra, budget
        self._peak_rate = peak_rate
        self._parameters = [p for p in (*model.parameters(), *extra.parameters()) if p.requires_grad]
        decayed = [p for p in self._parameters if p.ndim >= 2]
        others = [p for p in self._parameters if p.ndim < 2]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
        self._optimiser = torch.optim.AdamW(groups, lr=peak_rate, betas=(0.9, 0.98), fused=True)
        self.averaged = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.step = 0
        self._seconds_before = 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Training time so far, over all resumes."""
        return self._seconds_before + time.monotonic() - self._started

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        done = self.step / self.budget.steps
        if self.budget.minutes is not None:
            done = max(done, self.seconds / 60 / self.budget.minutes)
        return min(1.0, done)

    @property
    def rate(self) -> float:
        """The current learning rate: linear warm-up, then cosine decay."""
        progress = self.progress
        if progress < WARM_UP:
            return self._peak_rate * max(0.02, progress / WARM_UP)
        angle = math.pi * (progress - WARM_UP) / (1 - WARM_UP)
        return self._peak_rate * (FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(angle)) / 2)

    def learn(self, loss: torch.Tensor) -> None:
        """Take an optimiser step on ``loss`` and update the averaged weights."""
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        share = 1 - min(AVERAGING, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                if tensor.is_floating_point():
                    self.averaged[name].lerp_(tensor, share)

    def save(self) -> None:
        """Write the checkpoint, which gets its final name only when it is complete."""
        state = {
            "model": self.model.state_dict(),
            "extra": self.extra.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "averaged": self.averaged,
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = self.budget.checkpoint.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        torch.save(state, partial)
        partial.replace(self.budget.checkpoint)

    def load(self) -> None:
        """Restore the checkpoint."""
        state = torch.load(self.budget.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.extra.load_state_dict(state["extra"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.averaged = state["averaged"]
        self.step, self._seconds_before = state["step"], state["seconds"]
        self._started = time.monotonic()
