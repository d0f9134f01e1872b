"""What the checker learns: to say what is there, word by word; up to which word a statement is true; answers.

Comes in: a pool, a tokenizer, a captioner's folder. Goes out: the losses of a step. Not its job: the steps
(see training_loop).

The captioner's layers stay the lower ones, and go on telling the next word of statements that are true.
Layers above them see what was expected and what came. They begin with heads that look one token back, which
is where the expectation stands: without that they take far longer to find it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from random import Random

import torch
from captioner_model import (
    HEADS,
    ROPE_THETA,
    TEXT_LAYERS,
    WIDTH,
    build_captioner,
    image_features,
    start_from,
    with_images,
)
from check_batches import UNKNOWN, CheckBatches, StatementBatch
from image_batches import relight
from model_folders import export_captioner
from scene_pool import ScenePool
from slot_head import SlotHead, true_slots
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional
from training_loop import Losses

LAYERS_ABOVE = 3
STATEMENTS_UNTIL = 0.5
"""Of progress: from there on half of the steps are questions."""
WORD_WEIGHT = 0.5
SEEING_WEIGHT = 0.3
SHARPNESS = 4.0
"""Of a head that looks one token back: it gives that token 0.8 of its attention at first."""


class CheckerCourse:
    """``begun``: the folder of a captioner, whose weights are trained on."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer, begun: Path) -> None:
        self.model = build_captioner(tokenizer, TEXT_LAYERS + LAYERS_ABOVE)
        start_from(self.model, tokenizer, begun)
        above = self.model.model.language_model.layers[TEXT_LAYERS:]
        for layer in above:
            nn.init.zeros_(layer.self_attn.o_proj.weight)
            nn.init.zeros_(layer.mlp.down_proj.weight)
        _look_one_token_back(above[0].self_attn)
        self._seeing = SlotHead(WIDTH)
        self._judging = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1))
        self.extra = nn.ModuleDict({"seeing": self._seeing, "judging": self._judging})
        self._pool, self._slots = pool, true_slots(pool.scenes)
        self._batches = CheckBatches(pool, tokenizer)
        self._tokenizer = tokenizer

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model's folder with ``weights``."""
        export_captioner(weights, self._tokenizer, folder)

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """Of one step, on statements or on questions."""
        if progress < STATEMENTS_UNTIL or rng.random() < 0.5:
            return self._statements(rng, generator)
        return self._questions(rng, generator)

    def _statements(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.statements(rng)
        with torch.autocast("cpu", torch.bfloat16):
            seeing, image_tokens = self._see(batch.images, generator)
            below, top = self._read(batch, image_tokens)
            is_known = batch.next_ids != UNKNOWN
            words = self.model.lm_head(below[is_known])
            is_judged = batch.truth != UNKNOWN
            judged = self._judging(top[is_judged]).squeeze(-1)
        word = functional.cross_entropy(words.float(), batch.next_ids[is_known])
        truth = batch.truth[is_judged].float()
        judging = functional.binary_cross_entropy_with_logits(judged.float(), truth)
        loss = judging + WORD_WEIGHT * word + SEEING_WEIGHT * seeing
        wrong = ((judged > 0) != (truth > 0)).float().mean()
        return loss, {
            "seeing": seeing.detach(),
            "word": word.detach(),
            "judging": judging.detach(),
            "wrong": wrong,
        }

    def _read(self, batch: StatementBatch, image_tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the captioner's layers have made of each token, and what all layers have."""
        language = self.model.model.language_model
        outputs = language(
            inputs_embeds=with_images(self.model, batch.input_ids, image_tokens),
            attention_mask=batch.mask,
            position_ids=batch.positions,
            use_cache=False,
            output_hidden_states=True,
        )
        return language.norm(outputs.hidden_states[TEXT_LAYERS]), outputs.last_hidden_state

    def _questions(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.checks(rng)
        with torch.autocast("cpu", torch.bfloat16):
            seeing, image_tokens = self._see(batch.distinct, generator)
            embedded = with_images(self.model, batch.input_ids, image_tokens[batch.row_of])
            hidden = self.model.model.language_model(inputs_embeds=embedded, use_cache=False)
            is_learnt = batch.weights > 0
            said = self.model.lm_head(hidden.last_hidden_state[:, :-1][is_learnt[:, 1:]])
        answering = functional.cross_entropy(said.float(), batch.input_ids[is_learnt])
        return answering + SEEING_WEIGHT * seeing, {
            "seeing": seeing.detach(),
            "answering": answering.detach(),
        }

    def _see(self, images: list[int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of seeing, and the images' tokens."""
        patches, tokens = image_features(self.model, relight(self._pool.images[images], generator))
        return self._seeing(patches, self._slots[images]), tokens


def _look_one_token_back(attention: nn.Module) -> None:
    """By the biases of queries and keys alone: rotary embeddings turn them by the distance of two tokens, so
    that they are parallel where it is one. Only frequencies count that tell one token from the next."""
    half = WIDTH // HEADS // 2
    turn = ROPE_THETA ** (-torch.arange(half) / half)
    weight = (turn > 0.05).float() * SHARPNESS
    query = torch.cat([weight * torch.cos(turn), -weight * torch.sin(turn)])
    key = torch.cat([weight, torch.zeros(half)])
    with torch.no_grad():
        attention.q_proj.bias.copy_(query.repeat(HEADS))
        attention.k_proj.bias.copy_(key.repeat(HEADS))
        nn.init.normal_(attention.o_proj.weight, std=1 / math.sqrt(WIDTH) / 4)
