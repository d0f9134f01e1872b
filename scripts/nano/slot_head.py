"""A throw-away head that teaches a vision tower to see: which thing, in which colour, is where.

Things stand in equal slots from left to right, so that a scene's truth gives a kind and a colour for each
of the 8 columns of patches. The head and its loss exist in training only; no shipped folder holds them.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from triptych.demo.scene import COLOURS, KINDS, Scene

COLUMNS = 8


class SlotHead(nn.Module):
    """Two linear readouts of each column's mean patch: its thing's kind, and its colour."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.kind = nn.Linear(width, len(KINDS))
        self.colour = nn.Linear(width, len(COLOURS))

    def forward(self, patches: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """The loss of ``patches``, float[n, 64, width] row by row, against ``slots``, int64[n, 8, 2]."""
        columns = patches.reshape(len(patches), COLUMNS, COLUMNS, -1).float().mean(dim=1)
        columns = self.norm(columns)
        kinds, colours = self.kind(columns), self.colour(columns)
        loss: torch.Tensor = functional.cross_entropy(kinds.flatten(0, 1), slots[..., 0].flatten())
        return loss + functional.cross_entropy(colours.flatten(0, 1), slots[..., 1].flatten())


def true_slots(scenes: Sequence[Scene]) -> torch.Tensor:
    """int64[n, 8, 2]: for each column of each scene, the index of its thing's kind and of its colour."""
    rows = []
    for scene in scenes:
        count = len(scene.things)
        owners = [scene.things[int((column + 0.5) / COLUMNS * count)] for column in range(COLUMNS)]
        rows.append([(KINDS.index(thing.kind), COLOURS.index(thing.colour)) for thing in owners])
    return torch.tensor(rows, dtype=torch.int64)
