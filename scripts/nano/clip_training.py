"""What the CLIP learns: captions find their images, alike scenes lie near each other, near copies closest.

Three losses: text against image (what is told is true of the image or not), image against image (cosine
against how much two scenes share), and ``SlotHead``'s. Comes in: a pool, a tokenizer. Goes out: the losses of
a step. Not its job: the steps (see training_loop).
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
from scripts.nano.wording import describe, sentence_of, sentences, things_sentence
from triptych.demo.scene import Scene

PEAK_RATE_OF_CLIP = 1e-3
"""At 2e-3, with the image tower alone in the first 15%, near copies and words came out worse."""
FAMILIES_A_BATCH = 24
SCENES_A_FAMILY = 3
SECOND_VIEWS = 24
"""So many images of a batch come twice, as near duplicates of each other."""
LOSS_WEIGHTS = (1.0, 20.0, 0.5)
"""Of matching, likeness and seeing."""


@dataclass(frozen=True)
class Claim:
    """A text, and what an image must show for it to be true; ``whole`` where it must show nothing else,
    ``count`` where it must show so many things."""

    text: str
    theme: str | None
    things: frozenset[tuple[str, ...]]
    """(kind, colour), or with the place as well."""
    whole: bool
    count: int | None = None

    def holds(self, scene: Scene) -> bool:
        """Whether the claim is true of ``scene``."""
        shown = _things(scene)
        return (
            self.theme in (None, scene.theme)
            and self.count in (None, len(scene.things))
            and (shown == self.things if self.whole else self.things <= shown | _placed(scene))
        )


@dataclass(frozen=True)
class ClipBatch:
    """``float32[n, 3, 112, 112]`` with scenes and pool indices; claims with tokens, ``int64[m, 96]``."""

    pixels: torch.Tensor
    scenes: list[Scene]
    indices: list[int]
    claims: list[Claim]
    texts: torch.Tensor


class ClipCourse:
    """``begun``: a folder, with this tokenizer, whose text tower is trained on and whose image tower is
    kept; None: both are trained from noise."""

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
        """Of one step: matching, likeness and seeing."""
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=4.0)
        losses = _losses(self.model, self.extra, _draw_batch(self._pool, self._wrapped, rng, generator))
        parts = dict(zip(("matching", "likeness", "seeing"), losses.detach(), strict=True))
        return losses @ torch.tensor(LOSS_WEIGHTS), parts

    def export(self, weights: Mapping[str, torch.Tensor], folder: Path) -> None:
        """Write the model's folder with ``weights``."""
        export_clip(weights, self._tokenizer, folder)


def _draw_batch(
    pool: ScenePool, wrapped: PreTrainedTokenizerFast, rng: Random, generator: torch.Generator
) -> ClipBatch:
    """24 families' scenes, three each, with a claim for each; then 24 of the scenes once more."""
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
    if chance < 0.65:
        opening, counted, told, closing = sentences(scene, language)
        if chance < 0.5:
            return Claim(rng.choice((opening, closing)), scene.theme, frozenset(), False)
        if chance < 0.55:
            said = counted if rng.random() < 0.4 else _counted(len(scene.things), language)
            return Claim(said, None, frozenset(), False, count=len(scene.things))
        if chance < 0.6:
            return Claim(sentence_of(scene, rng.randint(1, 5), language), scene.theme, everything, True)
        return Claim(told, None, everything, True)
    if chance < 0.8:
        thing = rng.choice(scene.things)
        text = things_sentence([thing], language, place_first=rng.random() < 0.5).strip(".。")
        held = frozenset([(thing.kind, thing.colour, thing.place)])
        return Claim(rng.choice((text, text.lower(), text.replace(" is ", " "))), None, held, False)
    if chance < 0.84:
        name = (THEMES_EN if language == "en" else THEMES_ZH)[scene.theme].name
        number = rng.randint(1, 5)
        named = f"Image-{number}: {name}" if language == "en" else f"图{number}:{name}"
        return Claim(named, scene.theme, frozenset(), False)
    some = rng.sample(sorted(everything), rng.choice((1, 1, 2, min(3, len(everything)))))
    return Claim(_listed(some, language, rng), None, frozenset(some), False)


def _listed(things: list[tuple[str, str]], language: str, rng: Random) -> str:
    if language == "en":
        names = listed_en([named_en(kind, colour) for kind, colour in things])
        return rng.choice((names, f"Image-{rng.randint(1, 5)}: {names}"))
    names = listed_zh([named_zh(kind, colour) for kind, colour in things])
    return rng.choice((names, f"图{rng.randint(1, 5)}:{names}"))


def _counted(count: int, language: str) -> str:
    return f"{NUMBERS_EN[count]} things" if language == "en" else f"有{NUMBERS_ZH[count]}样东西"


def _placed(scene: Scene) -> frozenset[tuple[str, str, str]]:
    return frozenset((thing.kind, thing.colour, thing.place) for thing in scene.things)


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
    with half_precision():
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
