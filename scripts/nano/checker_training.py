"""What the checker learns: to say what is there, word by word; up to which word a statement is true; answers.

Comes in: a pool, a tokenizer, a captioner's or a checker's folder. Goes out: the losses of a step. Not its
job: the steps (see training_loop).

The captioner's layers stay the lower ones, and first learn to tell the next word of true statements. The
layers above see what was expected and what came. They begin with heads that look one token back, which is
where the expectation stands, and learn how far what came is from the likeliest word: without either they take
far longer to compare the two.
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
    image_features,
    start_from,
    text_layers_in,
    with_images,
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
WORDS_UNTIL, STATEMENTS_UNTIL = 0.15, 0.5
"""Of progress: up to there only words are learnt; from there on also answers."""
SHARE_OF_WORDS, SHARE_OF_ANSWERS = 0.2, 0.4
"""Of the steps after that."""
SEEING_WEIGHT = 0.3
FARTHEST = 8.0
"""How far a token is from the likeliest, in nats, counts up to here."""
SHARPNESS = 4.0
"""Of a head that looks one token back: it gives that token 0.8 of its attention at first."""


class CheckerCourse:
    """``begun``: the folder of a captioner, or of a checker, whose weights are trained on."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer, begun: Path) -> None:
        self.model = build_captioner(tokenizer, TEXT_LAYERS + LAYERS_ABOVE)
        start_from(self.model, tokenizer, begun)
        self._language = self.model.model.language_model
        self._below, self._above = self._language.layers[:TEXT_LAYERS], self._language.layers[TEXT_LAYERS:]
        self._is_checker = text_layers_in(begun) > TEXT_LAYERS
        if not self._is_checker:
            for layer in self._above:
                nn.init.zeros_(layer.self_attn.o_proj.weight)
                nn.init.zeros_(layer.mlp.down_proj.weight)
            _look_one_token_back(self._above[0].self_attn)
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
        """Write the model's folder with ``weights``."""
        export_captioner(weights, self._tokenizer, folder)

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """Of one step: on words, on statements or on questions."""
        draw, progress = rng.random(), 1.0 if self._is_checker else progress
        if progress < WORDS_UNTIL or draw < SHARE_OF_WORDS:
            return self._words(rng, generator)
        if progress < STATEMENTS_UNTIL or draw < 1 - SHARE_OF_ANSWERS:
            return self._statements(rng, generator)
        return self._questions(rng, generator)

    def _words(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.statements(rng, true_share=1.0)
        with half_precision():
            patches, image_tokens = self._see(batch.images, generator)
            seeing = self._seeing(
                patches, image_tokens, self._slots[batch.images], self._things[batch.images]
            )
            below = self._from_below(batch.input_ids, image_tokens, batch.mask, batch.positions)
            is_known = batch.next_ids != UNKNOWN
            words = self.model.lm_head(self._language.norm(below)[is_known])
        word = functional.cross_entropy(words.float(), batch.next_ids[is_known])
        return word + SEEING_WEIGHT * seeing, {"seeing": seeing.detach(), "word": word.detach()}

    def _statements(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.statements(rng)
        with half_precision():
            _, image_tokens = self._see(batch.images, generator)
            below = self._from_below(batch.input_ids, image_tokens, batch.mask, batch.positions)
            compared = self._through(self._above[:1], below, batch.mask, batch.positions)
            top = self._through(self._above[1:], compared, batch.mask, batch.positions)
            follows, far = self._how_far(below, batch)
            said_far = self._comparing(compared[:, 1:][follows]).squeeze(-1)
            is_judged = batch.truth != UNKNOWN
            judged = self._judging(self._language.norm(top)[is_judged]).squeeze(-1)
        comparing = functional.smooth_l1_loss(said_far.float(), far)
        truth = batch.truth[is_judged].float()
        judging = functional.binary_cross_entropy_with_logits(judged.float(), truth)
        wrong = ((judged > 0) != (truth > 0)).float().mean()
        parts = {"comparing": comparing.detach(), "judging": judging.detach(), "wrong": wrong}
        return judging + comparing, parts

    @torch.no_grad()
    def _how_far(self, below: torch.Tensor, batch: StatementBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the tokens that follow one of their statement: which, bool[n, longest - 1], and how far each is
        from the likeliest one by the captioner's layers, in nats."""
        numbers = batch.numbers
        follows = (numbers[:, 1:] > 0) & (numbers[:, 1:] == numbers[:, :-1])
        expected = self.model.lm_head(self._language.norm(below)[:, :-1][follows]).float()
        came = expected.gather(1, batch.input_ids[:, 1:][follows][:, None]).squeeze(1)
        return follows, (expected.max(dim=1).values - came).clamp(max=FARTHEST)

    def _questions(self, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        batch = self._batches.checks(rng)
        length = batch.input_ids.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)[None, None]
        positions = torch.arange(length)[None]
        with half_precision():
            _, image_tokens = self._see(batch.distinct, generator)
            below = self._from_below(batch.input_ids, image_tokens[batch.row_of], mask, positions)
            top = self._language.norm(self._through(self._above, below, mask, positions))
            is_learnt = batch.weights > 0
            said = self.model.lm_head(top[:, :-1][is_learnt[:, 1:]])
        answering = functional.cross_entropy(said.float(), batch.input_ids[is_learnt])
        return answering, {"answering": answering.detach()}

    def _see(self, images: list[int], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The images' patches, and their tokens."""
        return image_features(self.model, relight(self._pool.images[images], generator))

    def _from_below(
        self,
        input_ids: torch.Tensor,
        image_tokens: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
    ) -> torch.Tensor:
        """What the captioner's layers make of each token."""
        embedded = with_images(self.model, input_ids, image_tokens)
        return self._through(self._below, embedded, mask, positions)

    def _through(
        self, layers: Sequence[nn.Module], hidden: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor
    ) -> torch.Tensor:
        turned = self._language.rotary_emb(hidden, positions)
        for layer in layers:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=turned, position_ids=positions)
        return hidden


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
