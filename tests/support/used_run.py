"""A small run that is used from the command line, and what each command costs: images encoded, captions made.

Comes in: command lines. Goes out: counts. The encoder computes mean colours under the names of several
encoders, and the engine counts its requests; everything else is what a user runs. There are seven pictures,
with two series of three among them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support import counting_engine
from tests.support.colour_encoder import ColourEncoder, ColourOn
from tests.support.counting_engine import Server
from triptych.errors import SetupError
from triptych.grouping import stage
from triptych.grouping.encoders import Checkpoint

SETTINGS = {
    "embedding.model": "ViT-B-32",
    "sets.device": "cpu",
    "sets.related_cosine_similarity": 0.98,
    "sets.duplicate_cosine_similarity": 0.99999,
    "captioning.engine": counting_engine.NAME,
    "captioning.jobs": '["single_en", "multi_en"]',
    "captioning.tile_px": 112,
    "captioning.max_tiles": 1,
    "captioning.canary.every_s": 0,
    "captioning.ask_again": 0,
    "filtering.grounding": "false",
    "filtering.workers": 1,
}
IMAGES, SETS = 7, 2
HUES = ((220, 30, 30), (30, 220, 30), (30, 30, 220))


class Costs(NamedTuple):
    """How many images were encoded, and how many captions requested."""

    encoded: int
    asked: int


class _Counting(ColourEncoder):
    def __init__(self, costs: list[int]) -> None:
        super().__init__(ColourOn())
        self._costs = costs

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        self._costs.append(len(pixels))
        return super().encode(pixels)


class UsedRun:
    """The images are in ``folder``/images, the run folder is ``folder``/run."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.images, self.path, self.server = folder / "images", folder / "run", Server()
        self.server.goes_on_with = ", a red kite hangs over the narrow beach, and two children look up at it."
        self._encoded: list[int] = []
        self.images.mkdir()
        for number in range(IMAGES):
            self.draw(f"{number}.png", HUES[number // 3], number)
        patched.setattr(counting_engine, "SERVER", self.server)
        patched.setattr(stage, "usable_devices", lambda devices: ["cpu"])
        patched.setattr(stage, "load_encoder", self._load)

    def draw(self, name: str, hue: tuple[int, int, int], seed: int) -> None:
        """Add a picture to the images."""
        rng = np.random.default_rng([*hue, seed])
        blotches = np.array(hue) + rng.integers(-20, 20, (8, 8, 3)) + 5 * seed
        Image.fromarray(blotches.clip(0, 255).astype(np.uint8)).save(self.images / name)

    def move(self, name: str) -> None:
        """Rename the folder of the images."""
        newest = max(self.images.parent.glob("[bc]"), default=self.images)
        newest.rename(self.images.with_name(name))

    def _load(self, checkpoint: Checkpoint, *_: Any, **__: Any) -> ColourEncoder:
        if "missing" in checkpoint.model:
            raise SetupError(f"no weights of {checkpoint.model}")
        return _Counting(self._encoded)

    @property
    def costs(self) -> Costs:
        """The costs so far."""
        return Costs(sum(self._encoded), len(self.server.asked))
