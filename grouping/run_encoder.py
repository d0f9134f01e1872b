"""The model that made a run's embeddings, to embed texts and pictures that are compared with them.

Comes in: a run folder with embeddings, its config. Goes out: towers, loaded on first use, and unit vectors.
Not its job: comparing (see search, and filtering.grounding).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from triptych.errors import SetupError
from triptych.executors.processes import core_count
from triptych.grouping.config import EmbeddingConfig
from triptych.models import resolve_model
from triptych.runs.folder import RunFolder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from triptych.grouping.encoders import Checkpoint
    from triptych.grouping.encoders.tower import TextTower, TorchTower
    from triptych.grouping.library import Picture


class RunEncoder(msgspec.Struct, frozen=True, dict=True):
    """Raises SetupError on first use if the config names another model than the run's, or loading fails."""

    run: RunFolder
    config: EmbeddingConfig

    @cached_property
    def text_tower(self) -> TextTower:
        """Raises SetupError if the model has no text tower."""
        from triptych.grouping.encoders.choice import load_text_encoder

        return load_text_encoder(self._checkpoint, self._device, cpu_threads=core_count())

    @cached_property
    def image_tower(self) -> TorchTower:
        from triptych.grouping.encoders.choice import load_encoder

        return load_encoder(self._checkpoint, self._device, self.config.precision, cpu_threads=core_count())

    def vector_of_text(self, text: str) -> NDArray[np.float32]:
        """``float32[dim]``, a unit vector."""
        vector: NDArray[np.float32] = self.text_tower.encode_texts([text])[0]
        return vector

    def vector_of_picture(self, picture: Picture) -> NDArray[np.float32]:
        """The same, embedded as in a run. Raises UnreadableImageError if the picture can't be decoded."""
        from triptych.grouping.library import embed_with
        from triptych.grouping.neighbours.unit_vectors import as_units

        vector: NDArray[np.float32] = as_units(embed_with(self.image_tower, [picture]))[0]
        return vector

    @cached_property
    def _device(self) -> str:
        from triptych.grouping.encoders.choice import usable_devices

        return usable_devices(self.config.devices)[0]

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        from triptych.grouping.encoders.choice import resolve_encoder
        from triptych.grouping.stage import STORED_EMBEDDINGS

        state = self.run.run_file.stages.get("embeddings")
        if state is None:
            raise SetupError(f"{self.run.path}: nothing is embedded yet; run `triptych group` first")
        made_with = state.settings["encoder"]
        if made_with == STORED_EMBEDDINGS:
            raise SetupError(
                f"the embeddings of {self.run.path} are from elsewhere, so there is no model to read texts or"
                " pictures with; group the images themselves"
            )
        checkpoint = resolve_encoder(resolve_model(self.config.model), self.config.pretrained)
        if checkpoint.identity != made_with:
            raise SetupError(
                f"the embeddings of {self.run.path} were made with {made_with}, but embedding.model"
                f" {self.config.model} is {checkpoint.identity}; expected the same model: set it, or make the"
                " embeddings again with --fresh embeddings"
            )
        return checkpoint
