"""How the in-process engine chooses tokens, compared with transformers' processors and probabilities."""

from __future__ import annotations

import msgspec
import pytest
import torch
from transformers import RepetitionPenaltyLogitsProcessor, TopKLogitsWarper, TopPLogitsWarper

from tests.captioning.engines.test_transformers import request
from triptych.captioning.engine import GREEDY, CaptionRequest, Sampling
from triptych.captioning.engines.token_choice import TokenChoice
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.sampling_config import JobSampling

DRAWS = 4000
LOGITS = torch.tensor([2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -4.0])
PROMPT_IDS = torch.zeros(1, 1, dtype=torch.int64)


def drawn_shares(sampling: Sampling) -> torch.Tensor:
    """The share of rows of a large batch in which each token is chosen."""
    samplings = [msgspec.structs.replace(sampling, seed=seed) for seed in range(DRAWS)]
    choice = TokenChoice(samplings, prompt_length=1)
    chosen = choice(PROMPT_IDS.expand(DRAWS, 1), LOGITS.expand(DRAWS, -1)).argmax(dim=1)
    return torch.bincount(chosen, minlength=len(LOGITS)) / DRAWS


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.7, 4, 1.0), (1.3, 0, 0.8), (1.0, 6, 0.7)]
)
def test_tokens_are_drawn_with_the_probabilities_of_transformers(
    temperature: float, top_k: int, top_p: float
) -> None:
    """At the same temperature, top_k and top_p, within four standard errors."""
    logits = LOGITS[None] / temperature
    if top_k:
        logits = TopKLogitsWarper(top_k)(PROMPT_IDS, logits)
    if top_p < 1:
        logits = TopPLogitsWarper(top_p)(PROMPT_IDS, logits)
    probabilities = torch.softmax(logits[0], dim=0)

    shares = drawn_shares(Sampling(temperature=temperature, top_k=top_k, top_p=top_p))

    four_errors = 4 * torch.sqrt(probabilities * (1 - probabilities) / DRAWS)
    assert bool(((shares - probabilities).abs() <= four_errors).all()), (shares, probabilities)
    assert not shares[probabilities == 0].any()


def test_a_penalty_is_that_of_transformers_on_generated_tokens() -> None:
    """Positive logits are divided, negative ones multiplied. The prompt's tokens aren't penalised."""
    tokens = torch.tensor([[3, 3, 0, 7, 0], [1, 2, 2, 2, 6]])
    scores = torch.stack([LOGITS, LOGITS.flip(0)])
    penalise = RepetitionPenaltyLogitsProcessor(1.3)

    ours = TokenChoice([Sampling(repetition_penalty=1.3)] * 2, prompt_length=2)(tokens, scores)

    assert torch.equal(penalise(tokens[:, 2:], scores.clone()), ours)


def test_a_row_does_not_depend_on_the_others_in_its_batch() -> None:
    """Nor on whether they are random or greedy."""
    drawn = Sampling(temperature=1.0, top_k=0, seed=11)
    scores = LOGITS.expand(3, -1)
    ids = PROMPT_IDS.expand(3, 1)

    among = TokenChoice([GREEDY, drawn, Sampling(temperature=2.0, top_k=0, seed=5)], 1)(ids, scores)
    alone = TokenChoice([drawn], 1)(ids[:1], scores[:1])

    assert torch.equal(alone[0], among[1])
    assert torch.equal(LOGITS, among[0])


def test_a_sampled_caption_is_the_same_alone_and_in_a_batch(tiny_engine: TransformersEngine) -> None:
    """Word for word. Another seed gives another text. Greedy captions in the batch stay the same."""
    job = JobSampling(temperature=1.0, top_k=0)
    greedy = [request(1), request(2, 3)]
    sampled = [_with(request(seed), job.of_request(f"single_en:{seed}.jpg")) for seed in (4, 5, 6)]
    other = _with(sampled[0], JobSampling(temperature=1.0, top_k=0, seed=1).of_request("single_en:4.jpg"))

    batch = tiny_engine.caption([*greedy, *sampled])

    assert batch[2:] == [tiny_engine.caption([each])[0] for each in sampled]
    assert batch[:2] == tiny_engine.caption(greedy)
    assert batch[2].text != tiny_engine.caption([other])[0].text


def test_a_penalty_changes_a_greedy_caption(tiny_engine: TransformersEngine) -> None:
    """Without a penalty, it repeats itself."""
    plain = tiny_engine.caption([request(1)])[0].text
    penalised = tiny_engine.caption([_with(request(1), Sampling(repetition_penalty=5.0))])[0].text

    assert plain != penalised


def _with(asked: CaptionRequest, sampling: Sampling) -> CaptionRequest:
    return msgspec.structs.replace(asked, sampling=sampling)
