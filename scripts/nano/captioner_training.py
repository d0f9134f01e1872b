"""Trains the captioner: first its eyes, then single captions, then singles and sets mixed.

Comes in: a pool, a tokenizer, a budget. Goes out: averaged weights, in a model folder every few minutes and
at the end.
"""

import logging
import time
from pathlib import Path
from random import Random

import torch
from caption_batches import CaptionBatch, CaptionBatches
from captioner_model import WIDTH, build_captioner
from image_batches import relight
from model_folders import export_captioner
from scene_pool import ScenePool
from slot_head import SlotHead, true_slots
from tokenizers import Tokenizer
from torch.nn import functional
from training_state import Budget, TrainingState
from transformers import InternVLForConditionalGeneration

PEAK_RATE = 2e-3
EYES_UNTIL = 0.05
"""Up to this progress only the vision tower learns, from ``SlotHead``'s loss: a third of a step's cost."""
SINGLES_UNTIL = 0.25
SETS_SHARE = 0.8
IMAGES_AN_EYES_BATCH = 64
LOG_EVERY = 50

_log = logging.getLogger(__name__)


def train_captioner(
    pool: ScenePool, tokenizer: Tokenizer, budget: Budget, folder: Path, resume: bool
) -> None:
    """Train until the budget is spent; ``folder`` always holds the latest snapshot."""
    torch.manual_seed(budget.seed)
    model = build_captioner(tokenizer)
    eyes = SlotHead(WIDTH)
    state = TrainingState(model, eyes, PEAK_RATE, budget)
    if resume and budget.checkpoint.exists():
        state.load()
    slots = true_slots(pool.scenes)
    batches = CaptionBatches(pool, tokenizer)
    snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    losses: dict[str, float] = {}
    while state.progress < 1:
        rng = Random(f"{budget.seed} {state.step}")
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        kind = _kind_of_step(state.progress, rng)
        if kind == "eyes":
            batch = None
            images = rng.sample(range(len(pool.scenes)), IMAGES_AN_EYES_BATCH)
        else:
            batch = batches.singles(rng) if kind == "single" else batches.sets(rng)
            images = batch.images
        pixels = relight(pool.images[images], generator)
        seeing, telling = _losses(model, eyes, pixels, slots[images], batch)
        weight = 1.0 if batch is None else max(0.05, 0.5 * (1 - 2 * state.progress))
        state.learn(telling + weight * seeing)
        _average(losses, "seeing", float(seeing))
        if batch is not None:
            _average(losses, kind, float(telling))
        if state.step % LOG_EVERY == 0:
            told = " ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            minutes = state.seconds / 60
            _log.info(
                "step %d, %.1f min, rate %.5f, progress %.3f: %s",
                state.step,
                minutes,
                state.rate,
                state.progress,
                told,
            )
        if time.monotonic() > snapshot_at:
            state.save()
            export_captioner(state.averaged, tokenizer, folder)
            _log.info("step %d: snapshot in %s", state.step, folder)
            snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    state.save()
    export_captioner(state.averaged, tokenizer, folder)
    _log.info("done: %d steps, %.1f min", state.step, state.seconds / 60)


def _kind_of_step(progress: float, rng: Random) -> str:
    if progress < EYES_UNTIL:
        return "eyes"
    if progress < SINGLES_UNTIL:
        return "single"
    return "set" if rng.random() < SETS_SHARE else "single"


def _losses(
    model: InternVLForConditionalGeneration,
    eyes: SlotHead,
    pixels: torch.Tensor,
    slots: torch.Tensor,
    batch: CaptionBatch | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of the slot head on ``pixels``, and the captions' loss a token (zero without a ``batch``)."""
    with torch.autocast("cpu", torch.bfloat16):
        features = model.model.get_image_features(
            pixels, vision_feature_layer=-1, vision_feature_select_strategy="default", return_dict=True
        )
        seeing = eyes(features.last_hidden_state[:, 1:], slots)
        if batch is None:
            return seeing, torch.zeros(())
        embedded = model.get_input_embeddings()(batch.input_ids)
        is_image = (batch.input_ids == model.config.image_token_id).unsqueeze(-1)
        embedded = embedded.masked_scatter(is_image, features.pooler_output.to(embedded.dtype))
        hidden = model.model.language_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[:, :-1][batch.is_caption[:, 1:]])
    telling: torch.Tensor = functional.cross_entropy(logits.float(), batch.input_ids[batch.is_caption])
    return seeing, telling


def _average(losses: dict[str, float], name: str, loss: float) -> None:
    losses[name] = 0.95 * losses.get(name, loss) + 0.05 * loss
