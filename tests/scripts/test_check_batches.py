"""What the nano checker learns from: statements that know each other not, and words known to be untrue."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from triptych.models import resolve_model

ROOT = Path(__file__).parents[2]
FAMILIES = 12


@pytest.fixture(scope="module")
def batches() -> Iterator[Any]:
    """The trainings' modules know each other by their bare names."""
    sys.path.insert(0, str(ROOT / "scripts" / "nano"))
    try:
        import check_batches
        from byte_bpe import load_tokenizer
        from scene_pool import ScenePool, family

        scenes = [scene for number in range(FAMILIES) for scene in family("train", number)]
        tokenizer = load_tokenizer(Path(resolve_model("builtin:nano-internvl"), "tokenizer.json"))
        pool = ScenePool(np.zeros((len(scenes), 1, 1, 3), np.uint8), scenes)
        yield check_batches.CheckBatches(pool, tokenizer)
    finally:
        sys.path.remove(str(ROOT / "scripts" / "nano"))


def text(batches: Any, ids: torch.Tensor) -> str:
    return str(batches._tokenizer.decode(ids.tolist()))


def test_a_statement_sees_what_is_before_all_and_itself(batches: Any) -> None:
    """Each token nothing behind it, and every statement begins at the same position."""
    batch = batches.statements(Random(1))
    numbers, seen = batch.numbers[0], batch.mask[0, 0] == 0

    for at in range(len(numbers)):
        if numbers[at] >= 0:
            expected = ((numbers == 0) | (numbers == numbers[at])) & (torch.arange(len(numbers)) <= at)
            assert expected.tolist() == seen[at].tolist()
    firsts = [int(batch.positions[0][numbers == number][0]) for number in range(1, int(numbers.max()) + 1)]
    assert {int((numbers == 0).sum())} == {*firsts}


def test_a_true_statement_is_true_at_every_word_and_teaches_each_next_one(batches: Any) -> None:
    """An untrue one teaches no words."""
    batch = batches.statements(Random(2))
    rows = [
        (batch.truth[row][batch.numbers[row] == n], batch.next_ids[row][batch.numbers[row] == n])
        for row in range(len(batch.images))
        for n in range(1, 9)
    ]
    true = [(truth, following) for truth, following in rows if (truth == 1).all()]

    assert 60 < len(true) < 130
    assert all((following >= 0).all() for _, following in true)
    assert all((following == -1).all() for truth, following in rows if not (truth == 1).all())
    assert all(truth[-1] == 0 for truth, _ in rows if not (truth == 1).all())


def test_an_untrue_statement_is_true_up_to_its_first_untrue_word(batches: Any) -> None:
    """Where what is true begins with the same words."""
    import check_batches

    check = check_batches.Check("On the left is a red kite.", "", "colour", "On the left is a white kite.")
    encoded = check_batches.opening(batches._tokenizer, f"Statement: {check.statement}\nTrue?", 1)
    row = [token for token in check_batches._tokens(check, encoded, 1) if token.number == 1]

    def words(truth: int) -> str:
        return text(batches, torch.tensor([token.input_id for token in row if token.truth == truth])).strip()

    assert ("On the left is a", "red kite.") == (words(1), words(0))


def test_a_question_ends_in_its_answer(batches: Any) -> None:
    """In the very words of a check, half of them yes."""
    batch = batches.checks(Random(3))
    learnt = [
        text(batches, ids[weights > 0]) for ids, weights in zip(batch.input_ids, batch.weights, strict=True)
    ]

    assert {"yes", "no", "是", "否"} == {each.removesuffix("<|im_end|>") for each in learnt}
    assert len(learnt) == 64
