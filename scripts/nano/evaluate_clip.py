"""How near the CLIP puts what belongs together: copies, variations, scenes of one theme, and words.

Comes in: the CLIP's folder. Goes out: cosine quantiles by kind of pair, and how well a thing told in words
tells its image from others of its theme.
"""

from pathlib import Path

import open_clip
import torch
from PIL import Image, ImageEnhance
from torch.nn import functional
from unseen_pictures import encoded, squashed

from scripts.nano.vocabulary import named_en, named_zh
from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene

SCENES = 120
COPIED = 24
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def measure_clip(folder: Path, first: int) -> dict[str, object]:
    """Cosine quantiles by kind of pair, and the share of claims told apart, by language."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()

    def embed(images: list[Image.Image]) -> torch.Tensor:
        with torch.inference_mode():
            return functional.normalize(
                model.encode_image(torch.stack([preprocess(image) for image in images])), dim=-1
            )

    scenes = [imagine_scene("unseen", first + index) for index in range(SCENES)]
    shown = embed([squashed(scene, 0) for scene in scenes])
    varied = embed([squashed(vary_scene(scene, "unseen", 0), 0) for scene in scenes])
    copies = [(index, copy) for index in range(COPIED) for copy in _near_copies(scenes[index])]
    sources = shown[[index for index, _ in copies]]
    between = shown @ shown.T
    upper = torch.ones(SCENES, SCENES).triu(1).bool()
    same = torch.tensor([[one.theme == other.theme for other in scenes] for one in scenes])
    cosines = {
        "near_copy": (sources * embed([copy for _, copy in copies])).sum(dim=1),
        "variation": (shown * varied).sum(dim=1),
        "same_theme": between[upper & same],
        "other_theme": between[upper & ~same],
    }
    return {
        "cosine_quantiles": {
            kind: {str(q): round(float(values.quantile(q)), 4) for q in QUANTILES}
            for kind, values in cosines.items()
        },
        "claims_told_apart": {
            language: _claims_told_apart(model, tokenizer, scenes, shown, language)
            for language in ("en", "zh")
        },
    }


def _near_copies(scene: Scene) -> list[Image.Image]:
    """The demo's four near copies: squeezed, shrunk and grown, trimmed, brightened."""
    image = paint(scene, 2250, 1500)
    small = image.resize((900, 600), Image.Resampling.BICUBIC)
    copies = [
        encoded(image, 45),
        encoded(small.resize(image.size, Image.Resampling.BICUBIC), 80),
        encoded(image.crop((28, 18, 2222, 1482)).resize(image.size, Image.Resampling.BICUBIC), 85),
        encoded(ImageEnhance.Brightness(image).enhance(1.05), 75),
    ]
    return [copy.resize((112, 112), Image.Resampling.BICUBIC) for copy in copies]


def _claims_told_apart(
    model: open_clip.CLIP,
    tokenizer: open_clip.tokenizer.HFTokenizer,
    scenes: list[Scene],
    shown: torch.Tensor,
    language: str,
) -> float:
    """How often a thing that one of two scenes of a theme has, told in words, lies nearer to that one."""
    named = named_en if language == "en" else named_zh
    right, asked = 0, 0
    for index, scene in enumerate(scenes):
        with torch.inference_mode():
            texts = [named(thing.kind, thing.colour) for thing in scene.things]
            told = functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)
        for thing, text in zip(scene.things, told, strict=True):
            for other, rival in enumerate(scenes):
                absent = (thing.kind, thing.colour) not in {(t.kind, t.colour) for t in rival.things}
                if rival.theme == scene.theme and absent:
                    asked += 1
                    right += bool(text @ shown[index] > text @ shown[other])
    return round(right / asked, 4)
