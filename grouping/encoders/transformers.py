"""Image models of Hugging Face transformers, such as DINOv2 and SigLIP 2; the only encoder that imports it.

Comes in: a hub id (``transformers:google/siglip2-base-patch16-224``) or a folder with config.json,
preprocessor_config.json and weights. Goes out: an image tower, and a text tower if the model has one. Vectors
are ``get_image_features`` for a model of images and texts, otherwise the pooled output, otherwise the first
token. Not its job: running it (see tower).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.errors import SetupError
from triptych.grouping.embedding.preprocess import InputShape, ResizeMode, supported_filter
from triptych.grouping.encoders import Checkpoint, EncoderFamily
from triptych.grouping.encoders.model_files import digest_of_model, is_folder_name, require_hub

if TYPE_CHECKING:
    import torch

    from triptych.grouping.encoders.tower import Placement, TextTower, TorchTower

PREFIX = "transformers:"
CONFIGS = ("config.json", "preprocessor_config.json")
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""Indexed by Pillow's filter number, which a preprocessor's config has as ``resample``."""
CONVNEXT_SQUASHES_FROM_PX = 384
"""From this frame size on, ConvNeXT's preprocessor doesn't crop, although its config has ``crop_pct`` for any
size. PoolFormer's, which has ``crop_pct`` too, always crops."""


def resolve(name: str, pretrained: str | None) -> Checkpoint:
    """See EncoderFamily. ``pretrained`` is ignored."""
    if is_folder_name(name):
        folder = Path(name).expanduser()
        digest = digest_of_model(folder, "transformers", CONFIGS, "model.safetensors")
        identity = f"transformers {digest}"
        return Checkpoint(model=name, name=str(folder), folder=folder, identity=identity)
    return Checkpoint(model=name, name=name, identity=f"{PREFIX}{name}")


def load(checkpoint: Checkpoint, placement: Placement) -> TorchTower:
    """See EncoderFamily."""
    from triptych.grouping.encoders.tower import TorchTower

    model = _load_model(checkpoint, placement)
    features = getattr(model, "get_image_features", model)
    settings = _from_pretrained(checkpoint, "AutoImageProcessor").to_dict()
    return TorchTower(
        lambda pixels: _pooled(features(pixel_values=pixels)),
        input_shape(settings),
        mean=settings["image_mean"],
        std=settings["image_std"],
        placement=placement,
    )


def load_text(checkpoint: Checkpoint, placement: Placement) -> TextTower:
    """See EncoderFamily. Raises SetupError if the model has no text tower."""
    from triptych.grouping.encoders.tower import TextTower, languages_of

    model = _load_model(checkpoint, placement)
    if not hasattr(model, "get_text_features"):
        raise SetupError(
            "has no text tower, so texts can't be compared with its images; set filtering.grounding=false,"
            " or search by --image"
        )
    tokenizer = _from_pretrained(checkpoint, "AutoTokenizer")
    context = model.config.text_config.max_position_embeddings

    def tokenize(texts: list[str]) -> torch.Tensor:
        tokens: torch.Tensor = tokenizer(
            texts, padding="max_length", truncation=True, max_length=context, return_tensors="pt"
        )["input_ids"]
        return tokens

    return TextTower(
        tokenize,
        lambda tokens: _pooled(model.get_text_features(input_ids=tokens)),
        languages=languages_of(tokenizer),
        placement=placement,
    )


def input_shape(settings: Mapping[str, Any]) -> InputShape:
    """The InputShape of a preprocessor's config. Raises SetupError if its frames have no fixed size.

    If an odd number of pixels is cropped, the frame is shifted by one pixel from transformers' own.
    """
    size, crop = settings.get("size") or {}, settings.get("crop_size") or {}
    crop = crop if settings.get("do_center_crop") else {}
    frame = crop or size
    cropped_from = None
    resize_mode: ResizeMode = "shortest" if "shortest_edge" in size else "squash"
    if "shortest_edge" in size and settings.get("crop_pct"):
        edge = size["shortest_edge"]
        if crop or edge < CONVNEXT_SQUASHES_FROM_PX:  # crops part of the scaled picture
            cropped_from = (int(edge / settings["crop_pct"]),) * 2
        else:
            resize_mode = "squash"
        frame = crop or {"height": edge, "width": edge}
    elif "shortest_edge" in size:
        cropped_from = (size["shortest_edge"],) * 2
    elif crop:
        cropped_from = (size["height"], size["width"])
    if not {"height", "width"} <= frame.keys():
        raise SetupError(
            f"its preprocessor makes frames of no fixed size ({dict(size)}); expected one that scales"
            " pictures to a height and a width, or crops them"
        )
    return InputShape(
        height_px=frame["height"],
        width_px=frame["width"],
        resize_mode=resize_mode,
        cropped_from=cropped_from,
        interpolation=supported_filter(FILTERS[settings.get("resample", 3)]),
    )


def _load_model(checkpoint: Checkpoint, placement: Placement) -> Any:
    from triptych.grouping.encoders.tower import DTYPES

    model, found = _from_pretrained(
        checkpoint, "AutoModel", dtype=DTYPES[placement.precision], output_loading_info=True
    )
    if found["missing_keys"]:
        missing = sorted(found["missing_keys"])
        raise SetupError(
            f"lacks {len(missing)} of its weights, such as {missing[0]}; it is damaged or of another"
            " architecture: download it again"
        )
    return model.to(placement.device).eval()


def _from_pretrained(checkpoint: Checkpoint, auto_class: str, **settings: Any) -> Any:
    """Load from a folder or the cache; otherwise download, if the hub answers."""
    import transformers

    load_from = getattr(transformers, auto_class).from_pretrained
    try:
        return load_from(checkpoint.name, local_files_only=True, **settings)
    except OSError:
        if checkpoint.folder is not None:
            raise
    require_hub(f"a folder with {' and '.join(CONFIGS)} and weights")
    return load_from(checkpoint.name, **settings)


def _pooled(output: Any) -> torch.Tensor:
    """The vectors ``[n, dim]`` in a model's output."""
    pooled = getattr(output, "pooler_output", None)
    vectors: torch.Tensor = output.last_hidden_state[:, 0] if pooled is None else pooled
    return vectors.flatten(1)


FAMILY = EncoderFamily(prefix=PREFIX, library="transformers", resolve=resolve, load=load, load_text=load_text)
