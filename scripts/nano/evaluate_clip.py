"""Measures how close the CLIP puts related images, and texts to their images.

Comes in: the CLIP's folder. Goes out: cosine quantiles by kind of pair, and how often the text of a thing is
closer to its image than to others of the same theme.
"""

from pathlib import Path

import open_clip
import torch
from PIL import Image, ImageEnhance
from torch.nn import functional
from unseen_pictures import squashed, through_jpeg

from scripts.nano.vocabulary import named_en, named_zh
from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene

SCENE_COUNT = 120
COPIED_SCENE_COUNT = 24
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def measure_clip(folder: Path, first: int) -> dict[str, object]:
    """Cosine quantiles by kind of pair, and the share of claims that match the right image, by language."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()

    def embed(images: list[Image.Image]) -> torch.Tensor:
        with torch.inference_mode():
            return functional.normalize(
                model.encode_image(torch.stack([preprocess(image) for image in images])), dim=-1
            )

    scenes = [imagine_scene("unseen", first + index) for index in range(SCENE_COUNT)]
    embeddings = embed([squashed(scene, 0) for scene in scenes])
    varied = embed([squashed(vary_scene(scene, "unseen", 0), 0) for scene in scenes])
    copies = [(index, copy) for index in range(COPIED_SCENE_COUNT) for copy in _near_copies(scenes[index])]
    originals = embeddings[[index for index, _ in copies]]
    pairwise = embeddings @ embeddings.T
    upper = torch.ones(SCENE_COUNT, SCENE_COUNT).triu(1).bool()
    has_same_theme = torch.tensor([[one.theme == other.theme for other in scenes] for one in scenes])
    cosines = {
        "near_copy": (originals * embed([copy for _, copy in copies])).sum(dim=1),
        "variation": (embeddings * varied).sum(dim=1),
        "same_theme": pairwise[upper & has_same_theme],
        "other_theme": pairwise[upper & ~has_same_theme],
    }
    return {
        "cosine_quantiles": {
            kind: {str(q): round(float(values.quantile(q)), 4) for q in QUANTILES}
            for kind, values in cosines.items()
        },
        "claims_told_apart": {
            language: _claims_told_apart(model, tokenizer, scenes, embeddings, language)
            for language in ("en", "zh")
        },
    }


def _near_copies(scene: Scene) -> list[Image.Image]:
    """The demo's four near copies: recompressed, down- and upscaled, cropped, brightened."""
    image = paint(scene, 2250, 1500)
    small = image.resize((900, 600), Image.Resampling.BICUBIC)
    copies = [
        through_jpeg(image, 45),
        through_jpeg(small.resize(image.size, Image.Resampling.BICUBIC), 80),
        through_jpeg(image.crop((28, 18, 2222, 1482)).resize(image.size, Image.Resampling.BICUBIC), 85),
        through_jpeg(ImageEnhance.Brightness(image).enhance(1.05), 75),
    ]
    return [copy.resize((112, 112), Image.Resampling.BICUBIC) for copy in copies]


def _claims_told_apart(
    model: open_clip.CLIP,
    tokenizer: open_clip.tokenizer.HFTokenizer,
    scenes: list[Scene],
    embeddings: torch.Tensor,
    language: str,
) -> float:
    """How often the text of a thing that one of two scenes of a theme has is closer to that scene's image."""
    name = named_en if language == "en" else named_zh
    right = compared = 0
    for index, scene in enumerate(scenes):
        with torch.inference_mode():
            texts = [name(thing.kind, thing.colour) for thing in scene.things]
            text_embeddings = functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)
        for thing, text in zip(scene.things, text_embeddings, strict=True):
            for other, rival in enumerate(scenes):
                is_absent = (thing.kind, thing.colour) not in {(t.kind, t.colour) for t in rival.things}
                if rival.theme == scene.theme and is_absent:
                    compared += 1
                    right += bool(text @ embeddings[index] > text @ embeddings[other])
    return round(right / compared, 4)
