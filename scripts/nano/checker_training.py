"""The checker's training task: next words, then up to which word a statement is true, then yes/no answers.

Comes in: a pool, a tokenizer, a captioner's or a checker's folder. Goes out: the loss of each step. Not its
job: the loop (see training_loop).

The captioner's layers stay the lower ones, and first learn to predict the next word of true statements. The
layers above compare the predicted word with the actual one. Their heads start by attending one token back,
where the prediction is, and they learn how much less likely the actual word is than the likeliest one.
Without either of these, they take far longer to learn the comparison.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import torch
from captioner_model import (
    HEADS,
    ROPE_THETA,
    TEXT_LAYERS,
    WIDTH,
    build_captioner,
    count_text_layers,
    embed_with_images,
    image_features,
    load_weights,
)
from check_batches import UNKNOWN, CheckBatches, StatementBatch
from image_batches import relight
from model_folders import export_captioner
from scene_pool import ScenePool
from slot_head import SlotHead, true_slots, true_things
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from training_loop import Losses, half_precision

LAYERS_ABOVE = 3
WORDS_ONLY_UNTIL, ANSWERS_FROM = 0.15, 0.5
"""Progress up to which only words are learnt, and from which answers are, too."""
WORD_SHARE, ANSWER_SHARE = 0.2, 0.4
"""Shares of the steps after that."""
SEEING_WEIGHT = 0.3
MAX_GAP_NATS = 8.0
"""A token's gap to the likeliest one is capped here."""
LOOK_BACK_SHARPNESS = 4.0
"""A head that attends one token back starts with 0.8 of its attention there."""


class CheckerTask:
    """``begun``: the folder of the captioner or checker to start from."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer, begun: Path) -> None:
        self.model = build_captioner(tokenizer, TEXT_LAYERS + LAYERS_ABOVE)
        load_weights(self.model, tokenizer, begun)
        self._language = self.model.model.language_model
        self._below, self._above = self._language.layers[:TEXT_LAYERS], self._language.layers[TEXT_LAYERS:]
        self._begun_is_checker = count_text_layers(begun) > TEXT_LAYERS
        if not self._begun_is_checker:
            for layer in self._above:
                nn.init.zeros_(layer.self_attn.o_proj.weight)
                nn.init.zeros_(layer.mlp.down_proj.weight)
            _attend_one_token_back(self._above[0].self_attn)
        self._seeing = SlotHead(WIDTH)
        self._comparing, self._judging = (
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1)) for _ in range(2)
        )
        self.extra = nn.ModuleDict(
            {"seeing": self._seeing, "comparing": self._comparing, "judging": self._judging}
        )
        self._pool, self._slots, self._things = pool, true_slots(pool.scenes), true_things(pool.scenes)
        self._batches = CheckBatches(pool, tokenizer)
        self._tokenizer = tokenizer

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model folder with ``weights``."""
        export_captioner(weights, self._tokenizer, folder)

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """The losses of one step on words, on statements or on questions."""
        draw, progress = rng.random(), 1.0 if self._begun_is_checker else progress
        if progress < WORDS_ONLY_UNTIL or draw < WORD_SHARE:
            return self._words(rng, generator)
        if progress < ANSWERS_FROM or draw < 1 - ANSWER_SHARE:
            return self._statements(rng, generator)
        return self._questions(rng, generator)

    def _words(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.statements(rng, true_share=1.0)
        with half_precision():
            patches, image_tokens = self._encode_images(batch.images, generator)
            seeing = self._seeing(
                patches, image_tokens, self._slots[batch.images], self._things[batch.images]
            )
            below = self._run_lower_layers(batch.input_ids, image_tokens, batch.mask, batch.positions)
            is_known = batch.next_ids != UNKNOWN
            logits = self.model.lm_head(self._language.norm(below)[is_known])
        word = functional.cross_entropy(logits.float(), batch.next_ids[is_known])
        return word + SEEING_WEIGHT * seeing, {"seeing": seeing.detach(), "word": word.detach()}

    def _statements(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.statements(rng)
        with half_precision():
            _, image_tokens = self._encode_images(batch.images, generator)
            below = self._run_lower_layers(batch.input_ids, image_tokens, batch.mask, batch.positions)
            compared = self._run_layers(self._above[:1], below, batch.mask, batch.positions)
            top = self._run_layers(self._above[1:], compared, batch.mask, batch.positions)
            follows, gaps = self._likelihood_gaps(below, batch)
            predicted_gaps = self._comparing(compared[:, 1:][follows]).squeeze(-1)
            is_judged = batch.truth != UNKNOWN
            judged = self._judging(self._language.norm(top)[is_judged]).squeeze(-1)
        comparing = functional.smooth_l1_loss(predicted_gaps.float(), gaps)
        truth = batch.truth[is_judged].float()
        judging = functional.binary_cross_entropy_with_logits(judged.float(), truth)
        wrong = ((judged > 0) != (truth > 0)).float().mean()
        parts = {"comparing": comparing.detach(), "judging": judging.detach(), "wrong": wrong}
        return judging + comparing, parts

    @torch.no_grad()
    def _likelihood_gaps(
        self, below: torch.Tensor, batch: StatementBatch
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Which tokens follow another of their statement, bool[n, longest - 1], and by how many nats each of
        them is less likely than the likeliest one, as predicted by the captioner's layers."""
        numbers = batch.statement_numbers
        follows = (numbers[:, 1:] > 0) & (numbers[:, 1:] == numbers[:, :-1])
        logits = self.model.lm_head(self._language.norm(below)[:, :-1][follows]).float()
        actual = logits.gather(1, batch.input_ids[:, 1:][follows][:, None]).squeeze(1)
        return follows, (logits.max(dim=1).values - actual).clamp(max=MAX_GAP_NATS)

    def _questions(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.checks(rng)
        length = batch.input_ids.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)[None, None]
        positions = torch.arange(length)[None]
        with half_precision():
            _, image_tokens = self._encode_images(batch.unique_images, generator)
            image_tokens = image_tokens[batch.unique_inverse]
            below = self._run_lower_layers(batch.input_ids, image_tokens, mask, positions)
            top = self._language.norm(self._run_layers(self._above, below, mask, positions))
            has_weight = batch.weights > 0
            logits = self.model.lm_head(top[:, :-1][has_weight[:, 1:]])
        answering = functional.cross_entropy(logits.float(), batch.input_ids[has_weight])
        return answering, {"answering": answering.detach()}

    def _encode_images(
        self, images: list[int], generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The patches and the image tokens of ``images``."""
        return image_features(self.model, relight(self._pool.images[images], generator))

    def _run_lower_layers(
        self,
        input_ids: torch.Tensor,
        image_tokens: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
    ) -> torch.Tensor:
        """The hidden states after the captioner's layers."""
        embedded = embed_with_images(self.model, input_ids, image_tokens)
        return self._run_layers(self._below, embedded, mask, positions)

    def _run_layers(
        self, layers: Sequence[nn.Module], hidden: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        rotary = self._language.rotary_emb(hidden, positions)
        for layer in layers:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=rotary, position_ids=positions)
        return hidden


def _attend_one_token_back(attention: nn.Module) -> None:
    """Initialise the heads to attend to the previous token, by query and key biases alone.

    Rotary embeddings rotate queries and keys by position. The biases are chosen so that the two are parallel
    at a distance of one token. Frequencies too low to tell neighbouring tokens apart stay zero.
    """
    half = WIDTH // HEADS // 2
    angle = ROPE_THETA ** (-torch.arange(half) / half)
    weight = (angle > 0.05).float() * LOOK_BACK_SHARPNESS
    query = torch.cat([weight * torch.cos(angle), -weight * torch.sin(angle)])
    key = torch.cat([weight, torch.zeros(half)])
    with torch.no_grad():
        attention.q_proj.bias.copy_(query.repeat(HEADS))
        attention.k_proj.bias.copy_(key.repeat(HEADS))
        nn.init.normal_(attention.o_proj.weight, std=1 / math.sqrt(WIDTH) / 4)
