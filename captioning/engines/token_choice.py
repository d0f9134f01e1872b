"""The next token of each caption of a batch, as its own sampling says.

Comes in: samplings, one a row, and at every step the model's logits. Goes out: logits in which the chosen
token is the likeliest, so that a greedy search takes it. A row is drawn with a generator of its own, by
adding Gumbel noise and taking the largest, which draws with the chances that softmax gives (Gumbel 1954).
So a caption doesn't depend on its neighbours in the batch, but for their rounding, nor on what else the
process draws. Order as in lmdeploy: penalty, temperature, top_k, top_p. Imports torch: for
transformers.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from triptych.captioning.engine import GREEDY, Sampling


class TokenChoice:
    """A logits processor of transformers, for one call of ``generate`` with ``do_sample=False``."""

    def __init__(self, samplings: Sequence[Sampling], prompt_length: int) -> None:
        """``prompt_length`` is the number of input tokens of each row, padding included."""
        self._samplings = samplings
        self._prompt_length = prompt_length
        self._chances = [torch.Generator() for _ in samplings]
        for chance, sampling in zip(self._chances, samplings, strict=True):
            if sampling.seed is None:
                chance.seed()
            else:
                chance.manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids`` int64[n, length], ``scores`` float32[n, vocabulary]; returns scores alike."""
        rows = [
            row if sampling == GREEDY else self._choose(sampling, chance, row, tokens[self._prompt_length :])
            for sampling, chance, row, tokens in zip(
                self._samplings, self._chances, scores, input_ids, strict=True
            )
        ]
        return torch.stack(rows)

    def _choose(
        self, sampling: Sampling, chance: torch.Generator, logits: torch.Tensor, said: torch.Tensor
    ) -> torch.Tensor:
        penalised = _penalise(logits, said, sampling.repetition_penalty)
        if sampling.temperature == 0 or sampling.top_k == 1:
            return penalised
        values, tokens = _likeliest(penalised / sampling.temperature, sampling.top_k, sampling.top_p)
        uniform = torch.rand(len(values), generator=chance, dtype=torch.float64).clamp_min(1e-300)
        gumbel = -torch.log(-torch.log(uniform))
        chosen = tokens[torch.argmax(values + gumbel.to(values.device))]
        return torch.full_like(logits, -torch.inf).index_fill_(0, chosen, 0.0)


def _penalise(logits: torch.Tensor, said: torch.Tensor, penalty: float) -> torch.Tensor:
    """Logits of tokens that were ``said`` moved down: divided by ``penalty``, negative ones multiplied."""
    if penalty == 1.0 or not len(said):
        return logits
    tokens = torch.unique(said)
    before = logits[tokens]
    return logits.index_copy(0, tokens, torch.where(before < 0, before * penalty, before / penalty))


def _likeliest(logits: torch.Tensor, top_k: int, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and tokens within ``top_k`` (0: all), and of those the fewest that have ``top_p`` together."""
    count = min(top_k or len(logits), len(logits))
    values, tokens = torch.topk(logits, count)
    if top_p < 1.0:
        chances = torch.softmax(values, dim=0)
        before = torch.cumsum(chances, dim=0) - chances
        kept = int((before < top_p).sum())
        values, tokens = values[:kept], tokens[:kept]
    return values, tokens
