"""One training step of each nano model, with gradients for the weights that it trains."""

from __future__ import annotations

from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from triptych.models import resolve_model

FAMILIES = 24
"""As many as a batch of the CLIP draws."""


@pytest.fixture(scope="module")
def training(tokenizer: Any) -> Any:
    """The training tasks, and a pool of noise."""
    from byte_bpe import load_tokenizer
    from captioner_training import CaptionerTask
    from checker_training import CheckerTask
    from clip_training import ClipTask
    from scene_pool import ScenePool, family

    scenes = [scene for number in range(FAMILIES) for scene in family("train", number)]
    pixels = np.random.default_rng(1).integers(0, 256, (len(scenes), 112, 112, 3), np.uint8)
    return SimpleNamespace(
        pool=ScenePool(pixels, scenes),
        tokenizer=tokenizer,
        clip_tokenizer=load_tokenizer(Path(resolve_model("builtin:nano-clip"), "tokenizer.json")),
        captioner=Path(resolve_model("builtin:nano-internvl")),
        CaptionerTask=CaptionerTask,
        CheckerTask=CheckerTask,
        ClipTask=ClipTask,
    )


def step(task: Any, progress: float, draw: int = 1) -> dict[str, float]:
    """The parts of a step's loss, after its gradients were computed."""
    loss, parts = task.losses(progress, Random(draw), torch.Generator().manual_seed(1))
    loss.backward()
    gradients = [weight.grad for weight in task.model.parameters() if weight.grad is not None]
    assert gradients
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    return {name: float(part) for name, part in parts.items()}


def test_the_clip_learns_matching_likeness_and_where_things_are(training: Any) -> None:
    task = training.ClipTask(training.pool, training.clip_tokenizer, None)

    parts = step(task, 0.5)

    assert ["matching", "likeness", "seeing"] == list(parts)


def test_the_captioner_learns_to_see_before_it_learns_captions(training: Any) -> None:
    task = training.CaptionerTask(training.pool, training.tokenizer, None, 0.4)

    first, last = step(task, 0.1), step(task, 0.9)

    assert ["seeing"] == list(first)
    assert list(last) in (["seeing", "set"], ["seeing", "single"])


def test_the_checker_learns_words_then_statements_then_answers(training: Any) -> None:
    task = training.CheckerTask(training.pool, training.tokenizer, training.captioner)

    words = step(task, 0.1)
    later = [step(task, 0.9, draw) for draw in range(8)]

    assert ["seeing", "word"] == list(words)
    assert {"comparing", "answering"} <= {name for parts in later for name in parts}
