"""Image models of timm, such as DINOv2; the only file that imports timm.

Comes in: a timm name (``timm:vit_small_patch14_dinov2.lvd142m``), for custom weights with a checkpoint file
as ``embedding.pretrained``, or a folder saved by timm (config.json and weights). Goes out: an image tower;
its vectors are the input of the model's classifier. Not its job: running it (see tower).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.errors import SetupError, did_you_mean
from triptych.grouping.embedding.preprocess import InputShape, ResizeMode, supported_filter
from triptych.grouping.encoders import Checkpoint, EncoderFamily
from triptych.grouping.encoders.model_files import (
    cached_folder,
    digest_of_model,
    is_folder_name,
    require_hub,
    weights_in,
)
from triptych.runs.jsonl import sha256_of

if TYPE_CHECKING:
    from triptych.grouping.encoders.tower import Placement, TorchTower

PREFIX = "timm:"
RESIZE_MODES: dict[str, ResizeMode] = {"center": "shortest", "squash": "squash", "border": "longest"}
"""By timm's ``crop_mode``."""


def resolve(name: str, pretrained: str | None) -> Checkpoint:
    """See EncoderFamily. ``pretrained`` is a checkpoint file; a tag of open_clip's is ignored."""
    if is_folder_name(name):
        folder = Path(name).expanduser()
        digest = digest_of_model(folder, "timm", ["config.json"], "model.safetensors")
        return Checkpoint(model=name, name=f"local-dir:{folder}", folder=folder, identity=f"timm {digest}")
    file = Path(pretrained or "").expanduser()
    if pretrained is not None and file.is_file():
        identity = f"{PREFIX}{name} sha256:{sha256_of(file)}"
        return Checkpoint(model=name, name=name, weights=str(file), identity=identity)
    if pretrained is not None and ("/" in pretrained or file.suffix):
        raise SetupError(
            f"embedding.pretrained {pretrained} is not there; expected weights of {PREFIX}{name}",
            key="embedding.pretrained",
        )
    return Checkpoint(model=name, name=name, identity=f"{PREFIX}{name}")


def load(checkpoint: Checkpoint, placement: Placement) -> TorchTower:
    """See EncoderFamily."""
    import timm

    from triptych.grouping.encoders.tower import DTYPES, TorchTower

    file = checkpoint.weights
    if checkpoint.folder is None:
        _check_known(checkpoint)
        file = file or _cached_weights(checkpoint.name)
    overlay = {"pretrained_cfg_overlay": {"file": file}} if file is not None else {}
    model = timm.create_model(checkpoint.name, pretrained=True, **overlay)
    model.reset_classifier(0)  # after loading: without its classifier, timm would load weights that don't fit
    settings = timm.data.resolve_model_data_config(model)
    return TorchTower(
        model.to(placement.device, DTYPES[placement.precision]).eval(),
        input_shape(settings),
        mean=settings["mean"],
        std=settings["std"],
        placement=placement,
    )


def input_shape(settings: dict[str, Any]) -> InputShape:
    """The InputShape of timm's data config: ``crop_pct`` is the share of the scaled picture that is kept."""
    height, width = settings["input_size"][1:]
    red, green, blue = (round(255 * level) for level in settings["mean"])
    return InputShape(
        height_px=height,
        width_px=width,
        resize_mode=RESIZE_MODES[settings["crop_mode"]],
        cropped_from=(math.floor(height / settings["crop_pct"]), math.floor(width / settings["crop_pct"])),
        interpolation=supported_filter(settings["interpolation"]),
        fill=(red, green, blue),
    )


def _check_known(checkpoint: Checkpoint) -> None:
    import timm

    name = checkpoint.name
    if not timm.is_model(name):
        raise SetupError(
            f"neither a folder nor a name that timm knows{did_you_mean(name, timm.list_models())};"
            " timm.list_pretrained() has them all"
        )
    if checkpoint.weights is None and not timm.is_model_pretrained(name):
        raise SetupError("has no published weights; name a checkpoint file as embedding.pretrained")


def _cached_weights(name: str) -> str | None:
    """Weights file in the hub's cache; None if timm has to download it."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return None
    folder = cached_folder(config.hf_hub_id)
    weights = weights_in(folder) if folder is not None else []
    if not weights:
        require_hub("a folder with config.json and weights as timm saves it")
    return str(weights[-1]) if weights else None


FAMILY = EncoderFamily(prefix=PREFIX, library="timm", resolve=resolve, load=load)
