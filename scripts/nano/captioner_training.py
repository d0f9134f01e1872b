"""What the captioner learns: first to see, then single captions, then sets too.

Comes in: a pool, a tokenizer. Goes out: the losses of a step. Not its job: the steps (see training_loop).
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
from caption_batches import CaptionBatch, CaptionBatches
from captioner_model import WIDTH, build_captioner, image_features, start_from, with_images
from image_batches import relight
from model_folders import export_captioner
from scene_pool import ScenePool
from slot_head import SlotHead, true_slots, true_things
from tokenizers import Tokenizer
from torch.nn import functional
from training_loop import Losses, half_precision

IMAGES_AN_EYES_BATCH = 64
EYES_UNTIL = 0.03
"""Of progress: up to there only the vision tower learns, from ``SlotHead``'s loss: a third of the cost."""
SINGLES_FOR = 0.07
"""Of progress, after that; from noise."""
SHARE_OF_SETS = 0.8
"""In the end."""
LEAST_SEEING_WEIGHT = 0.2


class CaptionerCourse:
    """``begun``: a folder whose weights are trained on; None: from noise. ``eyes_until``: progress, from 0
    to 1, up to which only the vision tower learns."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer, begun: Path | None, eyes_until: float) -> None:
        self.model = build_captioner(tokenizer)
        if begun is not None:
            start_from(self.model, tokenizer, begun)
        self.extra = SlotHead(WIDTH)
        self._pool, self._slots, self._things = pool, true_slots(pool.scenes), true_things(pool.scenes)
        self._captions = CaptionBatches(pool, tokenizer)
        self._tokenizer = tokenizer
        self._eyes_until = eyes_until
        self._sets_from = eyes_until + (SINGLES_FOR if begun is None else 0)

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model's folder with ``weights``."""
        export_captioner(weights, self._tokenizer, folder)

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """Of one step, and of its kind: eyes, single or set."""
        batch = None
        if progress < self._eyes_until:
            images = self._pool.draw(rng, IMAGES_AN_EYES_BATCH)
            kind = "eyes"
        else:
            kind = "set" if progress >= self._sets_from and rng.random() < SHARE_OF_SETS else "single"
            batch = self._captions.sets(rng) if kind == "set" else self._captions.singles(rng)
            images = batch.distinct
        pixels = relight(self._pool.images[images], generator)
        with half_precision():
            patches, image_tokens = image_features(self.model, pixels)
            seeing: torch.Tensor = self.extra(
                patches, image_tokens, self._slots[images], self._things[images]
            )
            if batch is None:
                return seeing, {"seeing": seeing.detach()}
            logits, expected, weights = self._read(batch, image_tokens)
        of_tokens = functional.cross_entropy(logits.float(), expected, reduction="none")
        telling = (of_tokens * weights).sum() / weights.sum()
        loss = telling + max(LEAST_SEEING_WEIGHT, 0.5 * (1 - 2 * progress)) * seeing
        return loss, {"seeing": seeing.detach(), kind: telling.detach()}

    def _read(
        self, batch: CaptionBatch, image_tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What is said where something is learnt; what should be; how much each counts."""
        embedded = with_images(self.model, batch.input_ids, image_tokens[batch.row_of])
        hidden = self.model.model.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        is_learnt = batch.weights > 0
        logits = self.model.lm_head(hidden[:, :-1][is_learnt[:, 1:]])
        return logits, batch.input_ids[is_learnt], batch.weights[is_learnt]
