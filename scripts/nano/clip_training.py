"""The CLIP's training task: captions match their images, similar scenes are close, near copies closest.

Three losses: text against image (whether the text is true of it), image against image (cosine against how
much two scenes share), and ``SlotHead``'s. Comes in: a pool, a tokenizer. Goes out: the loss of each step.
Not its job: the loop (see training_loop).
"""

from collections.abc import Mapping
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
from safetensors.torch import load_file
from scene_pool import FAMILY_SIZE, ScenePool
from slot_head import SlotHead, true_slots
from tokenizers import Tokenizer
from torch.nn import functional
from training_loop import Losses, half_precision
from transformers import PreTrainedTokenizerFast

from scripts.nano.vocabulary import (
    NUMBERS_EN,
    NUMBERS_ZH,
    THEMES_EN,
    THEMES_ZH,
    listed_en,
    listed_zh,
    named_en,
    named_zh,
)
from scripts.nano.wording import describe, image_sentence, sentences, things_sentence
from triptych.demo.scene import Scene

CLIP_PEAK_RATE = 1e-3
"""At 2e-3, with the image tower alone in the first 15%, near copies and words came out worse."""
FAMILIES_PER_BATCH = 24
SCENES_PER_FAMILY = 3
SECOND_VIEWS = 24
"""Number of images of a batch that come twice, as near duplicates of each other."""
LOSS_WEIGHTS = (1.0, 20.0, 0.5)
"""Of the losses matching, likeness and seeing."""


@dataclass(frozen=True)
class Claim:
    """A text, and what an image must show for it to be true: a theme, things, a number of things."""

    text: str
    theme: str | None
    things: frozenset[tuple[str, ...]]
    """(kind, colour) or (kind, colour, place)."""
    is_complete: bool
    """Whether the image must have no other things."""
    count: int | None = None

    def holds(self, scene: Scene) -> bool:
        """Whether the claim is true of ``scene``."""
        things = _things(scene)
        return (
            self.theme in (None, scene.theme)
            and self.count in (None, len(scene.things))
            and (things == self.things if self.is_complete else self.things <= things | _placed_things(scene))
        )


@dataclass(frozen=True)
class ClipBatch:
    """``pixels``, float32[n, 3, 112, 112], with their scenes and pool indices; claims with their token ids,
    ``texts``, int64[m, 96]."""

    pixels: torch.Tensor
    scenes: list[Scene]
    indices: list[int]
    claims: list[Claim]
    texts: torch.Tensor


class ClipTask:
    """``begun``: the folder of a CLIP with this tokenizer, whose text tower is trained further and whose
    image tower is frozen; None: both are trained from random weights."""

    def __init__(self, pool: ScenePool, tokenizer: Tokenizer, begun: Path | None) -> None:
        self.model = build_clip(tokenizer)
        if begun is not None:
            self.model.load_state_dict(load_file(begun / "open_clip_model.safetensors"))
            self.model.visual.requires_grad_(False)
        self.model.visual.output_tokens = True
        self.extra = SlotHead(IMAGE_WIDTH)
        self._pool, self._tokenizer = pool, tokenizer
        self._wrapped = wrap_for_clip(tokenizer, CONTEXT_LENGTH)

    def losses(self, progress: float, rng: Random, generator: torch.Generator) -> tuple[torch.Tensor, Losses]:
        """The losses of one step: matching, likeness and seeing."""
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=4.0)
        losses = _losses(self.model, self.extra, _draw_batch(self._pool, self._wrapped, rng, generator))
        parts = dict(zip(("matching", "likeness", "seeing"), losses.detach(), strict=True))
        return losses @ torch.tensor(LOSS_WEIGHTS), parts

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model folder with ``weights``."""
        export_clip(weights, self._tokenizer, folder)


def _draw_batch(
    pool: ScenePool, wrapped: PreTrainedTokenizerFast, rng: Random, generator: torch.Generator
) -> ClipBatch:
    """Three scenes of each of 24 families, with a claim for each; then 24 of the scenes once more."""
    indices: list[int] = []
    for number in rng.sample(range(pool.families), FAMILIES_PER_BATCH):
        offsets = rng.sample(range(FAMILY_SIZE), SCENES_PER_FAMILY)
        indices += [number * FAMILY_SIZE + offset for offset in offsets]
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
    if chance < 0.65:
        opening, counted, placed, closing = sentences(scene, language)
        if chance < 0.5:
            return Claim(rng.choice((opening, closing)), scene.theme, frozenset(), False)
        if chance < 0.55:
            text = counted if rng.random() < 0.4 else _count_phrase(len(scene.things), language)
            return Claim(text, None, frozenset(), False, count=len(scene.things))
        if chance < 0.6:
            return Claim(image_sentence(scene, rng.randint(1, 5), language), scene.theme, everything, True)
        return Claim(placed, None, everything, True)
    if chance < 0.8:
        thing = rng.choice(scene.things)
        text = things_sentence([thing], language, place_first=rng.random() < 0.5).strip(".。")
        placed_thing = frozenset([(thing.kind, thing.colour, thing.place)])
        return Claim(rng.choice((text, text.lower(), text.replace(" is ", " "))), None, placed_thing, False)
    if chance < 0.84:
        name = (THEMES_EN if language == "en" else THEMES_ZH)[scene.theme].name
        number = rng.randint(1, 5)
        named = f"Image-{number}: {name}" if language == "en" else f"图{number}:{name}"
        return Claim(named, scene.theme, frozenset(), False)
    some = rng.sample(sorted(everything), rng.choice((1, 1, 2, min(3, len(everything)))))
    return Claim(_list_things(some, language, rng), None, frozenset(some), False)


def _list_things(things: list[tuple[str, str]], language: str, rng: Random) -> str:
    if language == "en":
        names = listed_en([named_en(kind, colour) for kind, colour in things])
        return rng.choice((names, f"Image-{rng.randint(1, 5)}: {names}"))
    names = listed_zh([named_zh(kind, colour) for kind, colour in things])
    return rng.choice((names, f"图{rng.randint(1, 5)}:{names}"))


def _count_phrase(count: int, language: str) -> str:
    return f"{NUMBERS_EN[count]} things" if language == "en" else f"有{NUMBERS_ZH[count]}样东西"


def _placed_things(scene: Scene) -> frozenset[tuple[str, str, str]]:
    return frozenset((thing.kind, thing.colour, thing.place) for thing in scene.things)


def _things(scene: Scene) -> frozenset[tuple[str, str]]:
    return frozenset((thing.kind, thing.colour) for thing in scene.things)


def target_cosine(one: Scene, other: Scene) -> float:
    """The cosine for a pair of images: 0 across themes, else 0.35 + half their share of common things."""
    if one.theme != other.theme:
        return 0.0
    left, right = _things(one), _things(other)
    return 0.35 + 0.5 * len(left & right) / len(left | right)


def _losses(model: open_clip.CLIP, slot_head: SlotHead, batch: ClipBatch) -> torch.Tensor:
    """float[3]: matching (text and image), likeness (image and image), seeing (slots)."""
    with half_precision():
        pooled, patches = model.visual(batch.pixels)
        seeing = slot_head.columns_loss(patches, true_slots(batch.scenes))
        encoded_texts = model.encode_text(batch.texts)
    images = functional.normalize(pooled.float(), dim=-1)
    texts = functional.normalize(encoded_texts.float(), dim=-1)
    holds = torch.tensor([[float(claim.holds(scene)) for scene in batch.scenes] for claim in batch.claims])
    logits = model.logit_scale.exp() * texts @ images.T
    matching = (_soft_loss(logits, holds) + _soft_loss(logits.T, holds.T)) / 2
    indexed = list(zip(batch.indices, batch.scenes, strict=True))
    targets = [[1.0 if i == j else target_cosine(one, other) for j, other in indexed] for i, one in indexed]
    likeness = functional.mse_loss(images @ images.T, torch.tensor(targets))
    return torch.stack([matching, likeness, seeing])


def _soft_loss(logits: torch.Tensor, holds: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each row against a uniform target over what holds for it; empty rows don't count."""
    counts = holds.sum(dim=1)
    rows = counts > 0
    targets = holds[rows] / counts[rows, None]
    loss: torch.Tensor = functional.cross_entropy(logits[rows], targets)
    return loss
