"""Trains the CLIP: captions find their images, alike scenes lie near each other, near duplicates lie closest.

Three losses: text against image (what is told is true of the image or not), image against image (cosine
against how much two scenes share), and ``SlotHead``'s. Comes in: a pool, a tokenizer, a budget. Goes out:
averaged weights in a model folder.
"""

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import open_clip
import torch
from byte_bpe import wrap_for_clip
from caption_batches import LANGUAGES
from clip_model import CONTEXT_LENGTH, IMAGE_WIDTH, build_clip
from image_batches import near_duplicate
from model_folders import export_clip
from scene_pool import FAMILY_SIZE, ScenePool
from slot_head import SlotHead, true_slots
from tokenizers import Tokenizer
from torch.nn import functional
from training_state import Budget, TrainingState
from transformers import PreTrainedTokenizerFast

from scripts.nano.vocabulary import listed_en, listed_zh, named_en, named_zh
from scripts.nano.wording import describe
from triptych.demo.scene import Scene

PEAK_RATE = 1e-3
"""At 2e-3, with the image tower alone in the first 15%, near copies and words came out worse."""
FAMILIES_A_BATCH = 24
SCENES_A_FAMILY = 3
SECOND_VIEWS = 24
"""So many images of a batch come twice, as near duplicates of each other."""
LOSS_WEIGHTS = (1.0, 20.0, 0.5)
"""Of matching, likeness and seeing."""
LOG_EVERY = 25
STOP = {"en": ". ", "zh": "。"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Claim:
    """A text, and what an image must show for it to be true; ``whole`` where it must show nothing else."""

    text: str
    theme: str | None
    things: frozenset[tuple[str, str]]
    whole: bool

    def holds(self, scene: Scene) -> bool:
        """Whether the claim is true of ``scene``."""
        shown = _things(scene)
        return self.theme in (None, scene.theme) and (
            shown == self.things if self.whole else self.things <= shown
        )


@dataclass(frozen=True)
class ClipBatch:
    """``float32[n, 3, 112, 112]`` with scenes and pool indices; claims with tokens, ``int64[m, 96]``."""

    pixels: torch.Tensor
    scenes: list[Scene]
    indices: list[int]
    claims: list[Claim]
    texts: torch.Tensor


def train_clip(pool: ScenePool, tokenizer: Tokenizer, budget: Budget, folder: Path, resume: bool) -> None:
    """Train until the budget is spent; ``folder`` always holds the latest snapshot."""
    torch.manual_seed(budget.seed)
    model = build_clip(tokenizer)
    model.visual.output_tokens = True
    eyes = SlotHead(IMAGE_WIDTH)
    state = TrainingState(model, eyes, PEAK_RATE, budget)
    if resume and budget.checkpoint.exists():
        state.load()
    wrapped = wrap_for_clip(tokenizer, CONTEXT_LENGTH)
    snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    smoothed = torch.zeros(3)
    while state.progress < 1:
        batch = _draw_batch(pool, wrapped, Random(f"{budget.seed} {state.step}"))
        losses = _losses(model, eyes, batch)
        state.learn(losses @ torch.tensor(LOSS_WEIGHTS))
        with torch.no_grad():
            model.logit_scale.clamp_(max=4.0)
        smoothed = losses.detach() if state.step == 1 else smoothed.lerp(losses.detach(), 0.05)
        if state.step % LOG_EVERY == 0:
            told = "matching {:.3f}, likeness {:.4f}, seeing {:.3f}".format(*smoothed.tolist())
            minutes = state.seconds / 60
            _log.info("step %d, %.1f min, progress %.3f: %s", state.step, minutes, state.progress, told)
        if time.monotonic() > snapshot_at:
            state.save()
            export_clip(state.averaged, tokenizer, folder)
            _log.info("step %d: snapshot in %s", state.step, folder)
            snapshot_at = time.monotonic() + 60 * budget.snapshot_every_minutes
    state.save()
    export_clip(state.averaged, tokenizer, folder)
    _log.info("done: %d steps, %.1f min", state.step, state.seconds / 60)


def _draw_batch(pool: ScenePool, wrapped: PreTrainedTokenizerFast, rng: Random) -> ClipBatch:
    """24 families' scenes, three each, with a claim for each; then 24 of the scenes once more."""
    generator = torch.Generator().manual_seed(rng.getrandbits(63))
    indices: list[int] = []
    for kin in rng.sample(range(pool.families), FAMILIES_A_BATCH):
        indices += [kin * FAMILY_SIZE + offset for offset in rng.sample(range(FAMILY_SIZE), SCENES_A_FAMILY)]
    claims = [_claim(pool.scenes[index], rng) for index in indices]
    indices += rng.sample(indices, SECOND_VIEWS)
    texts = wrapped(
        [claim.text for claim in claims], padding="max_length", truncation=True, return_tensors="pt"
    )
    pixels = near_duplicate(pool.images[indices], generator)
    return ClipBatch(pixels, [pool.scenes[index] for index in indices], indices, claims, texts["input_ids"])


def _claim(scene: Scene, rng: Random) -> Claim:
    """A caption of ``scene``, one of its sentences, or a list of some of its things, in either language."""
    language = rng.choice(LANGUAGES)
    caption = describe(scene, language)
    everything = _things(scene)
    chance = rng.random()
    if chance < 0.45:
        return Claim(caption, scene.theme, everything, True)
    if chance < 0.6:
        opening, told, closing = caption.removesuffix(STOP[language].strip()).split(STOP[language])
        if chance < 0.5:
            return Claim(rng.choice((opening, closing)), scene.theme, frozenset(), False)
        return Claim(told, None, everything, True)
    some = rng.sample(sorted(everything), rng.choice((1, 1, 2, min(3, len(everything)))))
    return Claim(_listed(some, language, rng), None, frozenset(some), False)


def _listed(things: list[tuple[str, str]], language: str, rng: Random) -> str:
    if language == "en":
        names = listed_en([named_en(kind, colour) for kind, colour in things])
        return rng.choice((names, f"image {rng.randint(1, 5)} shows {names}", f"each with {names}."))
    names = listed_zh([named_zh(kind, colour) for kind, colour in things])
    return rng.choice((names, f"图像{rng.randint(1, 5)}中有{names}", f"每张图像中都有{names}。"))


def _things(scene: Scene) -> frozenset[tuple[str, str]]:
    return frozenset((thing.kind, thing.colour) for thing in scene.things)


def likeness(one: Scene, other: Scene) -> float:
    """The cosine that images should have: 0 across themes, else 0.35 + half the share of common things."""
    if one.theme != other.theme:
        return 0.0
    left, right = _things(one), _things(other)
    return 0.35 + 0.5 * len(left & right) / len(left | right)


def _losses(model: open_clip.CLIP, eyes: SlotHead, batch: ClipBatch) -> torch.Tensor:
    """float[3]: matching (text and image), likeness (image and image), seeing (slots)."""
    with torch.autocast("cpu", torch.bfloat16):
        pooled, patches = model.visual(batch.pixels)
        seeing = eyes(patches, true_slots(batch.scenes))
        told = model.encode_text(batch.texts)
    shown = functional.normalize(pooled.float(), dim=-1)
    told = functional.normalize(told.float(), dim=-1)
    holds = torch.tensor([[float(claim.holds(scene)) for scene in batch.scenes] for claim in batch.claims])
    logits = model.logit_scale.exp() * told @ shown.T
    matching = (_soft_loss(logits, holds) + _soft_loss(logits.T, holds.T)) / 2
    pictures = list(zip(batch.indices, batch.scenes, strict=True))
    wanted = [[1.0 if i == j else likeness(one, other) for j, other in pictures] for i, one in pictures]
    near = functional.mse_loss(shown @ shown.T, torch.tensor(wanted))
    return torch.stack([matching, near, seeing])


def _soft_loss(logits: torch.Tensor, holds: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each row against all that holds for it, equally; empty rows don't count."""
    counts = holds.sum(dim=1)
    rows = counts > 0
    wanted = holds[rows] / counts[rows, None]
    loss: torch.Tensor = functional.cross_entropy(logits[rows], wanted)
    return loss
