"""A throw-away head that teaches a vision tower to see: which thing, in which colour, is where.

Things stand in equal slots from left to right, so that a scene's truth gives a kind and a colour for each
of the 8 columns of patches. Of the tokens that the language model is given for an image, the first is to tell
the leftmost thing, the second the next one, and so on: it then finds each in one place, however many there
are. The head and its loss exist in training only; no shipped folder holds them.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from triptych.demo.scene import COLOURS, KINDS, PLACES, Scene

COLUMNS = 8
MOST_THINGS = max(PLACES)
PLACE_NAMES = sorted({place for places in PLACES.values() for place in places})


class SlotHead(nn.Module):
    """Linear readouts: of each column's mean patch its thing's kind and colour, of each of the first image
    tokens its thing's kind, colour and place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_columns = _Readouts(width, len(KINDS), len(COLOURS))
        self.of_tokens = _Readouts(width, len(KINDS) + 1, len(COLOURS) + 1, len(PLACE_NAMES) + 1)

    def forward(
        self, patches: torch.Tensor, tokens: torch.Tensor, slots: torch.Tensor, things: torch.Tensor
    ) -> torch.Tensor:
        """The loss of ``patches``, float[n, 64, width] row by row, against ``slots``, int64[n, 8, 2], and of
        ``tokens``, float[n, 16, width], against ``things``, int64[n, 5, 3]."""
        columns = patches.reshape(len(patches), COLUMNS, COLUMNS, -1).float().mean(dim=1)
        loss: torch.Tensor = self.of_columns(columns, slots)
        return loss + self.of_tokens(tokens[:, :MOST_THINGS].float(), things)


class _Readouts(nn.Module):
    """One for each of ``sizes``, the number of its classes; the sum of their losses."""

    def __init__(self, width: int, *sizes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.readouts = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def forward(self, features: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        normed = self.norm(features).flatten(0, 1)
        expected = truth.flatten(0, 1).unbind(dim=1)
        losses = [
            functional.cross_entropy(readout(normed), each)
            for readout, each in zip(self.readouts, expected, strict=True)
        ]
        return torch.stack(losses).sum()


def true_things(scenes: Sequence[Scene]) -> torch.Tensor:
    """int64[n, 5, 3]: of each thing from left to right the index of its kind, of its colour and of its place;
    where there is none, those behind the last."""
    none = (len(KINDS), len(COLOURS), len(PLACE_NAMES))
    rows = []
    for scene in scenes:
        row = [
            (KINDS.index(t.kind), COLOURS.index(t.colour), PLACE_NAMES.index(t.place)) for t in scene.things
        ]
        rows.append([*row, *[none] * (MOST_THINGS - len(row))])
    return torch.tensor(rows, dtype=torch.int64)


def true_slots(scenes: Sequence[Scene]) -> torch.Tensor:
    """int64[n, 8, 2]: for each column of each scene, the index of its thing's kind and of its colour."""
    rows = []
    for scene in scenes:
        count = len(scene.things)
        owners = [scene.things[int((column + 0.5) / COLUMNS * count)] for column in range(COLUMNS)]
        rows.append([(KINDS.index(thing.kind), COLOURS.index(thing.colour)) for thing in owners])
    return torch.tensor(rows, dtype=torch.int64)
