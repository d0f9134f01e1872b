"""An auxiliary head that teaches a vision tower which thing, in which colour, is where.

Things stand in equal slots from left to right, so a scene gives a kind and a colour for each of the 8
columns of patches. Of an image's tokens, the first learns to encode the leftmost thing, the second the next
one, and so on: the language model then finds each thing in one token, however many there are. The head and
its loss exist in training only and are never exported.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from triptych.demo.scene import COLOURS, KINDS, PLACES, Scene

COLUMNS = 8
MAX_THINGS = max(PLACES)
PLACE_NAMES = sorted({place for places in PLACES.values() for place in places})


class SlotHead(nn.Module):
    """Linear readouts: of kind and colour from the mean patch of each column; of kind, colour and place from
    each of the first image tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_columns = _Readouts(width, len(KINDS), len(COLOURS))
        self.of_tokens = _Readouts(width, len(KINDS) + 1, len(COLOURS) + 1, len(PLACE_NAMES) + 1)

    def forward(
        self, patches: torch.Tensor, tokens: torch.Tensor, slots: torch.Tensor, things: torch.Tensor
    ) -> torch.Tensor:
        """The loss of ``columns_loss``, and of ``tokens``, float[n, 16, width], against ``things``,
        int64[n, 5, 3]."""
        of_tokens: torch.Tensor = self.of_tokens(tokens[:, :MAX_THINGS].float(), things)
        return self.columns_loss(patches, slots) + of_tokens

    def columns_loss(self, patches: torch.Tensor, slots: torch.Tensor) -> torch.Tensor:
        """The loss of ``patches``, float[n, 64, width], row by row, against ``slots``, int64[n, 8, 2]."""
        columns = patches.reshape(len(patches), COLUMNS, COLUMNS, -1).float().mean(dim=1)
        loss: torch.Tensor = self.of_columns(columns, slots)
        return loss


class _Readouts(nn.Module):
    """A readout for each of ``sizes``, its number of classes, and the sum of their losses."""

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
    """int64[n, 5, 3]: for each thing from left to right, the indices of its kind, colour and place. Where
    there is no thing, each index is one past the last."""
    none = (len(KINDS), len(COLOURS), len(PLACE_NAMES))
    rows = []
    for scene in scenes:
        row = [
            (KINDS.index(t.kind), COLOURS.index(t.colour), PLACE_NAMES.index(t.place)) for t in scene.things
        ]
        rows.append([*row, *[none] * (MAX_THINGS - len(row))])
    return torch.tensor(rows, dtype=torch.int64)


def true_slots(scenes: Sequence[Scene]) -> torch.Tensor:
    """int64[n, 8, 2]: for each column, the indices of its thing's kind and colour."""
    rows = []
    for scene in scenes:
        count = len(scene.things)
        owners = [scene.things[int((column + 0.5) / COLUMNS * count)] for column in range(COLUMNS)]
        rows.append([(KINDS.index(thing.kind), COLOURS.index(thing.colour)) for thing in owners])
    return torch.tensor(rows, dtype=torch.int64)
