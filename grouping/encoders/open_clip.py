"""CLIP models of open_clip, with image and text towers; the only file that imports open_clip.

Comes in: an open_clip name with a tag or a weights file, ``hf-hub:OWNER/NAME``, or a folder (its path, or
``local-dir:PATH``) with open_clip_config.json and weights. Goes out: towers. Not its job: running them.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.errors import SetupError, did_you_mean
from triptych.grouping.embedding.preprocess import InputShape
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
    import torch

    from triptych.grouping.encoders.tower import Placement, TextTower, TorchTower

LOCAL_PREFIX = "local-dir:"
HUB_PREFIX = "hf-hub:"
CONFIG_NAME = "open_clip_config.json"
WEIGHTS_NAME = "open_clip_model.safetensors"


def resolve(name: str, pretrained: str | None) -> Checkpoint:
    """See EncoderFamily."""
    if name.startswith(HUB_PREFIX):
        return Checkpoint(model=name, name=name, identity=name)
    if name.startswith(LOCAL_PREFIX) or is_folder_name(name):
        folder = Path(name.removeprefix(LOCAL_PREFIX)).expanduser()
        identity = digest_of_model(folder, "open_clip", [CONFIG_NAME], WEIGHTS_NAME)
        return Checkpoint(model=name, name=f"{LOCAL_PREFIX}{folder}", folder=folder, identity=identity)
    known_as, weights = name.replace("/", "-"), pretrained
    if pretrained is not None and Path(pretrained).is_file():
        weights = f"sha256:{sha256_of(Path(pretrained))}"
    return Checkpoint(model=name, name=known_as, weights=pretrained, identity=f"{known_as} {weights}")


def load(checkpoint: Checkpoint, placement: Placement) -> TorchTower:
    """See EncoderFamily."""
    from open_clip.transform import PreprocessCfg

    from triptych.grouping.encoders.tower import TorchTower

    model = _load_model(checkpoint, placement)
    settings = PreprocessCfg(**model.visual.preprocess_cfg)  # type: ignore[union-attr,arg-type]
    return TorchTower(
        model.encode_image,  # type: ignore[arg-type]
        input_shape(settings),
        mean=settings.mean,
        std=settings.std,
        placement=placement,
    )


def input_shape(settings: Any) -> InputShape:
    """The InputShape of an open_clip PreprocessCfg."""
    height, width = settings.size if isinstance(settings.size, (tuple, list)) else [settings.size] * 2
    # For a frame that isn't square, open_clip ignores the configured filter.
    is_default = settings.resize_mode == "shortest" and height != width
    is_bilinear = settings.interpolation == "bilinear" and not is_default
    return InputShape(
        height_px=height,
        width_px=width,
        resize_mode=settings.resize_mode,
        interpolation="bilinear" if is_bilinear else "bicubic",
        fill=(settings.fill_color,) * 3,
    )


def load_text(checkpoint: Checkpoint, placement: Placement) -> TextTower:
    """See EncoderFamily."""
    import open_clip

    from triptych.grouping.encoders.tower import TextTower, languages_of

    model = _load_model(checkpoint, placement)
    try:
        with _without_root_handler():
            try:
                tokenizer = open_clip.get_tokenizer(checkpoint.name, local_files_only=True)
            except TypeError:  # open_clip's own tokenizer has no such option, and needs no files
                tokenizer = open_clip.get_tokenizer(checkpoint.name)
    except Exception as error:  # a tokenizer may raise anything on bad files
        reason = " ".join(str(error).split())[:300]
        raise SetupError(
            f"has no tokenizer on this machine ({type(error).__name__}: {reason}); set"
            " filtering.grounding=false or get its files"
        ) from None
    return TextTower(
        tokenizer,
        model.encode_text,  # type: ignore[arg-type]
        languages=languages_of(getattr(tokenizer, "tokenizer", None)),
        placement=placement,
    )


def _load_model(checkpoint: Checkpoint, placement: Placement) -> torch.nn.Module:
    """Load from a folder, a file or the hub's cache; otherwise download, if the hub answers."""
    name, weights = checkpoint.name, checkpoint.weights
    if name.startswith(HUB_PREFIX):
        folder = cached_folder(name.removeprefix(HUB_PREFIX))
        if folder is not None and (folder / CONFIG_NAME).is_file() and weights_in(folder):
            return _create(placement, f"{LOCAL_PREFIX}{folder}")
        require_hub(f"a folder with {CONFIG_NAME} and weights")
    elif checkpoint.folder is None:
        tag = _known_tag(checkpoint)
        if tag.get("hf_hub"):
            file = _cached_file(tag["hf_hub"])
            if file is not None:
                return _create(placement, name, pretrained=str(file), force_preprocess_cfg=tag)
            require_hub(f"a folder with {CONFIG_NAME} and weights")
    return _create(placement, name, pretrained=weights)


def _create(placement: Placement, name: str, **settings: Any) -> torch.nn.Module:
    import open_clip

    with _without_root_handler():
        model: torch.nn.Module = open_clip.create_model(
            name,
            precision=placement.precision,
            device=placement.device,
            require_pretrained=True,
            **settings,
        )
    return model.eval()


def _known_tag(checkpoint: Checkpoint) -> dict[str, Any]:
    """open_clip's metadata of the weights' tag; empty for a weights file.

    Raises SetupError, with similar names, if open_clip has no such model or tag.
    """
    import open_clip

    name, weights = checkpoint.name, checkpoint.weights
    models = open_clip.list_models()
    if name not in models:
        raise SetupError(
            f"neither a folder nor a name that open_clip knows{did_you_mean(name, models)};"
            " open_clip.list_models() has them all"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if weights is None:
        raise SetupError(
            f"needs embedding.pretrained; expected a weights file or a tag such as {_first(tags)}"
        )
    if Path(weights).is_file():
        return {}
    tag: dict[str, Any] = open_clip.get_pretrained_cfg(name, weights)
    if not tag:
        raise SetupError(
            f"embedding.pretrained {weights} is neither a weights file nor a tag of"
            f" {name}{did_you_mean(weights, tags)}; it has {_first(tags)}"
        )
    if tag.get("quick_gelu", False) != open_clip.get_model_config(name).get("quick_gelu", False):
        warnings.warn(
            f"{name} and its weights {weights} differ in quick_gelu; choose another tag", stacklevel=2
        )
    return tag


def _cached_file(hub_path: str) -> Path | None:
    """The weights ``OWNER/NAME/[FILE]`` in the hub's cache, chosen as open_clip does."""
    repository, _, file_name = hub_path.rpartition("/")
    folder = cached_folder(repository)
    names = [Path(file_name).with_suffix(".safetensors").name, file_name] if file_name else []
    for name in names or [WEIGHTS_NAME, "open_clip_pytorch_model.bin"]:
        if folder is not None and (folder / name).is_file():
            return folder / name
    return None


def _first(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - 5} more" if len(tags) > 5 else ""
    return f"{', '.join(tags[:5])}{more}" if tags else "none: its weights were not published"


@contextlib.contextmanager
def _without_root_handler() -> Iterator[None]:
    """Keep open_clip's ``logging.info`` from installing a handler at the root logger if it has none."""
    root, null_handler = logging.getLogger(), logging.NullHandler()
    root.addHandler(null_handler)
    try:
        yield
    finally:
        root.removeHandler(null_handler)


FAMILY = EncoderFamily(prefix="", library="open_clip", resolve=resolve, load=load, load_text=load_text)
