"""The captioner's training task: first its vision tower alone, then single captions, then sets too.

Comes in: a pool, a tokenizer. Goes out: the loss of each step. Not its job: the loop (see training_loop).
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
from caption_batches import CaptionBatch, CaptionBatches
from captioner_model import WIDTH, build_captioner, embed_with_images, image_features, load_weights
from image_batches import relight
from model_folders import export_captioner
from scene_pool import ScenePool
from slot_head import SlotHead, true_slots, true_things
from tokenizers import Tokenizer
from torch.nn import functional
from training_loop import Losses, half_precision

IMAGES_PER_VISION_BATCH = 64
VISION_ONLY_UNTIL = 0.43
"""Progress up to which only the vision tower learns, from ``SlotHead``'s loss. A step costs a third."""
SINGLES_ONLY_FOR = 0.07
"""Progress after that without sets, in a training from random weights."""
SET_SHARE = 0.8
"""Share of steps on sets after that."""
MIN_SEEING_WEIGHT = 0.2


class CaptionerTask:
    """``begun``: a model folder to start from; None: random weights. ``vision_only_until``: progress, from
    0 to 1, up to which only the vision tower learns."""

    def __init__(
        self, pool: ScenePool, tokenizer: Tokenizer, begun: Path | None, vision_only_until: float
    ) -> None:
        self.model = build_captioner(tokenizer)
        if begun is not None:
            load_weights(self.model, tokenizer, begun)
        self.extra = SlotHead(WIDTH)
        self._pool, self._slots, self._things = pool, true_slots(pool.scenes), true_things(pool.scenes)
        self._captions = CaptionBatches(pool, tokenizer)
        self._tokenizer = tokenizer
        self._vision_only_until = vision_only_until
        self._sets_from = vision_only_until + (SINGLES_ONLY_FOR if begun is None else 0)

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model folder with ``weights``."""
        export_captioner(weights, self._tokenizer, folder)

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """The losses of one step on the vision tower, on single images or on sets."""
        batch = None
        if progress < self._vision_only_until:
            images = self._pool.draw(rng, IMAGES_PER_VISION_BATCH)
            kind = "vision"
        else:
            kind = "set" if progress >= self._sets_from and rng.random() < SET_SHARE else "single"
            batch = self._captions.sets(rng) if kind == "set" else self._captions.singles(rng)
            images = batch.unique_images
        pixels = relight(self._pool.images[images], generator)
        with half_precision():
            patches, image_tokens = image_features(self.model, pixels)
            seeing: torch.Tensor = self.extra(
                patches, image_tokens, self._slots[images], self._things[images]
            )
            if batch is None:
                return seeing, {"seeing": seeing.detach()}
            logits, expected, weights = self._forward(batch, image_tokens)
        token_losses = functional.cross_entropy(logits.float(), expected, reduction="none")
        captioning = (token_losses * weights).sum() / weights.sum()
        loss = captioning + max(MIN_SEEING_WEIGHT, 0.5 * (1 - 2 * progress)) * seeing
        return loss, {"seeing": seeing.detach(), kind: captioning.detach()}

    def _forward(
        self, batch: CaptionBatch, image_tokens: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The logits where a token has weight, the token ids expected there, and their weights."""
        embedded = embed_with_images(self.model, batch.input_ids, image_tokens[batch.unique_inverse])
        hidden = self.model.model.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        has_weight = batch.weights > 0
        logits = self.model.lm_head(hidden[:, :-1][has_weight[:, 1:]])
        return logits, batch.input_ids[has_weight], batch.weights[has_weight]
