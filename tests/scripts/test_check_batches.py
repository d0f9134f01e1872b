"""Training sequences for the nano checker: statements that don't see each other, and labelled tokens."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import torch

FAMILIES = 12


@pytest.fixture(scope="module")
def batches(tokenizer: Any) -> Any:
    """Batches from a pool of scenes without pictures."""
    from check_batches import CheckBatches
    from scene_pool import ScenePool, family

    scenes = [scene for number in range(FAMILIES) for scene in family("train", number)]
    return CheckBatches(ScenePool(np.zeros((len(scenes), 1, 1, 3), np.uint8), scenes), tokenizer)


def text(batches: Any, ids: torch.Tensor) -> str:
    return str(batches._tokenizer.decode(ids.tolist()))


def test_a_statement_sees_the_shared_prefix_and_itself(batches: Any) -> None:
    """No token sees a later one, and every statement begins at the same position."""
    batch = batches.statements(Random(1))
    numbers, seen = batch.statement_numbers[0], batch.mask[0, 0] == 0

    for at in range(len(numbers)):
        if numbers[at] >= 0:
            expected = ((numbers == 0) | (numbers == numbers[at])) & (torch.arange(len(numbers)) <= at)
            assert expected.tolist() == seen[at].tolist()
    firsts = [int(batch.positions[0][numbers == number][0]) for number in range(1, int(numbers.max()) + 1)]
    assert {int((numbers == 0).sum())} == {*firsts}


def test_a_true_statement_is_true_at_every_token_and_has_next_tokens(batches: Any) -> None:
    """An untrue one has no next tokens."""
    batch = batches.statements(Random(2))
    rows = [
        (batch.truth[row][numbers == n], batch.next_ids[row][numbers == n])
        for row, numbers in enumerate(batch.statement_numbers)
        for n in range(1, 9)
    ]
    true = [(truth, following) for truth, following in rows if (truth == 1).all()]

    assert 60 < len(true) < 130
    assert all((following >= 0).all() for _, following in true)
    assert all((following == -1).all() for truth, following in rows if not (truth == 1).all())
    assert all(truth[-1] == 0 for truth, _ in rows if not (truth == 1).all())


def test_an_untrue_statement_is_true_up_to_its_first_untrue_word(batches: Any) -> None:
    """The true statement begins with the same words."""
    import check_batches

    check = check_batches.Check("On the left is a red kite.", "", "colour", "On the left is a white kite.")
    encoding = check_batches.encode_request(batches._tokenizer, f"Statement: {check.statement}\nTrue?", 1)
    row = [token for token in check_batches._label_tokens(check, encoding, 1) if token.statement_number == 1]

    def words(truth: int) -> str:
        return text(batches, torch.tensor([token.input_id for token in row if token.truth == truth])).strip()

    assert ("On the left is a", "red kite.") == (words(1), words(0))


def test_a_question_ends_in_its_answer(batches: Any) -> None:
    """In the words that a check expects."""
    batch = batches.checks(Random(3))
    answers = [
        text(batches, ids[weights > 0]) for ids, weights in zip(batch.input_ids, batch.weights, strict=True)
    ]

    assert {"yes", "no", "是", "否"} == {each.removesuffix("<|im_end|>") for each in answers}
    assert len(answers) == 64
