"""Samples the next token of each caption in a batch, by the caption's own sampling parameters.

Comes in: the sampling parameters of each row, and at every step the model's logits. Goes out: logits in which
the chosen token is the likeliest, so that a greedy search takes it. Each row has its own random generator, so
a caption depends on its neighbours in the batch by rounding alone. Sampling is Gumbel-max: the argmax of
logits plus Gumbel noise has the probabilities of softmax. The order is lmdeploy's: penalty, temperature,
top_k, top_p. Imports torch: for transformers.py.
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
        self._generators = [torch.Generator() for _ in samplings]
        for generator, sampling in zip(self._generators, samplings, strict=True):
            if sampling.seed is None:
                generator.seed()
            else:
                generator.manual_seed(sampling.seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """``input_ids`` int64[n, length], ``scores`` float32[n, vocabulary]; returns changed scores."""
        of_rows = zip(self._samplings, self._generators, scores, input_ids, strict=True)
        rows = [
            row if sampling == GREEDY else _choose(sampling, generator, row, tokens[self._prompt_length :])
            for sampling, generator, row, tokens in of_rows
        ]
        return torch.stack(rows)


def _choose(
    sampling: Sampling, generator: torch.Generator, logits: torch.Tensor, generated: torch.Tensor
) -> torch.Tensor:
    penalised = _penalise(logits, generated, sampling.repetition_penalty)
    if sampling.temperature == 0 or sampling.top_k == 1:
        return penalised
    values, tokens = _top_k_top_p(penalised / sampling.temperature, sampling.top_k, sampling.top_p)
    uniform = torch.rand(len(values), generator=generator, dtype=torch.float64).clamp_min(1e-300)
    gumbel = -torch.log(-torch.log(uniform))
    chosen = tokens[torch.argmax(values + gumbel.to(values.device))]
    return torch.full_like(logits, -torch.inf).index_fill_(0, chosen, 0.0)


def _penalise(logits: torch.Tensor, generated: torch.Tensor, penalty: float) -> torch.Tensor:
    """Lower the logits of ``generated`` tokens: divided by ``penalty``, negative ones multiplied."""
    if penalty == 1.0 or not len(generated):
        return logits
    tokens = torch.unique(generated)
    before = logits[tokens]
    return logits.index_copy(0, tokens, torch.where(before < 0, before * penalty, before / penalty))


def _top_k_top_p(logits: torch.Tensor, top_k: int, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Values and tokens within ``top_k`` (0: all), and of those the fewest that have ``top_p`` together."""
    count = min(top_k or len(logits), len(logits))
    values, tokens = torch.topk(logits, count)
    if top_p < 1.0:
        chances = torch.softmax(values, dim=0)
        before = torch.cumsum(chances, dim=0) - chances
        kept = int((before < top_p).sum())
        values, tokens = values[:kept], tokens[:kept]
    return values, tokens
