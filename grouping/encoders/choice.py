"""Resolves and loads the encoder that a config names.

Comes in: ``embedding.model`` and ``embedding.pretrained``. Goes out: a Checkpoint, and its towers. Any
failure to load becomes a one-line SetupError within seconds. Not its job: what is specific to a family.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.extras import missing_message, require
from triptych.grouping.config import Precision
from triptych.grouping.encoders import Checkpoint, EncoderFamily, open_clip, timm, transformers

if TYPE_CHECKING:
    from triptych.grouping.encoders.tower import Placement, TextTower, TorchTower

FAMILIES: tuple[EncoderFamily, ...] = (
    timm.FAMILY,
    transformers.FAMILY,
    open_clip.FAMILY,  # last, as its prefix is empty
)

T = TypeVar("T")


def resolve_encoder(model: str, pretrained: str | None = None) -> Checkpoint:
    """The checkpoint that a config's ``model`` and ``pretrained`` name, without importing any library.

    Raises SetupError if a folder is missing or isn't a model of its family.
    """
    family = _family_of(model)
    checkpoint = family.resolve(model.removeprefix(family.prefix), pretrained)
    return msgspec.structs.replace(checkpoint, model=model)


def load_encoder(
    checkpoint: Checkpoint, device: str, precision: Precision = "auto", cpu_threads: int = 1
) -> TorchTower:
    """The image tower of ``checkpoint`` on ``device`` (``cpu``, ``cuda``, ``cuda:N``; see usable_devices).

    Raises SetupError for an unknown name, weights that are neither on disk nor downloadable, weights that are
    damaged or don't match the config, and insufficient memory.
    """
    family = _family_of(checkpoint.model)

    def load() -> TorchTower:
        tower = family.load(checkpoint, _placement(device, precision, cpu_threads))
        tower.check()
        return tower

    return _load_or_explain(checkpoint, load)


def load_text_encoder(checkpoint: Checkpoint, device: str, cpu_threads: int = 1) -> TextTower:
    """The text tower of ``checkpoint``. Raises SetupError like load_encoder, and if the model has none."""
    load = _family_of(checkpoint.model).load_text
    if load is None:
        raise SetupError(
            f"embedding model {checkpoint.model} has no text tower, so texts can't be compared"
            " with its images; set filtering.grounding=false, search by --image, or embed with a model that"
            " has one, such as open_clip's"
        )
    return _load_or_explain(checkpoint, lambda: load(checkpoint, _placement(device, "auto", cpu_threads)))


def usable_devices(devices: Literal["auto"] | tuple[str, ...]) -> list[str]:
    """Torch device names for a config's ``embedding.devices``, one per worker.

    ``auto`` means all GPUs, or the CPU. Raises SetupError if a named GPU or torch is missing.
    """
    instead = "group embeddings that you have with `triptych group --embeddings PATH`"
    require("local", "torch", what="the image encoder", instead=instead)
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if devices == "auto":
        return [f"cuda:{number}" for number in range(count)] or ["cpu"]
    for name in devices:
        number = int(name.partition(":")[2] or 0)
        if name != "cpu" and number >= count:
            found = f"only {count}" if count else "no GPU"
            raise SetupError(
                f"embedding.devices names {name}, but torch finds {found} here; leave it out, set"
                " embedding.devices to auto, or fix the driver"
            )
    return list(devices)


def _family_of(model: str) -> EncoderFamily:
    return next(family for family in FAMILIES if model.startswith(family.prefix))


def _placement(device: str, precision: Precision, cpu_threads: int) -> Placement:
    from triptych.grouping.encoders.tower import Placement

    if precision == "auto":
        precision = "fp32" if device == "cpu" else "fp16"
    return Placement(device=device, precision=precision, cpu_threads=cpu_threads)


def _load_or_explain(checkpoint: Checkpoint, load: Callable[[], T]) -> T:
    """Call ``load``. Whatever it raises becomes a one-line SetupError that names the model."""
    try:
        import_library(_family_of(checkpoint.model).library)
        return load()
    except SetupError as error:
        raise SetupError(f"embedding model {checkpoint.model}: {error}") from None
    except ModuleNotFoundError as error:
        what = f"embedding model {checkpoint.model}"
        raise SetupError(missing_message("local", error.name or str(error), what=what)) from None
    except Exception as error:  # a library may raise anything on a bad config or file
        reason = " ".join(str(error).split())[:300]
        raise SetupError(
            f"embedding model {checkpoint.model} can't be loaded ({type(error).__name__}: {reason});"
            " check that its config and weights belong together, or name another with embedding.model"
        ) from None


def import_library(name: str) -> None:
    """Import torchvision and ``name``, if they are installed and importable, without torch's compiler.

    On import, torchvision asks ``torch._dynamo`` whether an operator can be compiled, and timm marks
    functions not to compile. Importing it takes as much processor time as torch itself, and no encoder is
    compiled here, so stubs answer these two calls. If a library needs anything else, its import fails here
    and is repeated later with the compiler.
    """
    with contextlib.suppress(ImportError):
        import_module("torch")  # first, so that its own imports don't see the stubs
    stubs = {} if "torch._dynamo" in sys.modules else _stubs()
    sys.modules.update(stubs)
    try:
        for library in ("torchvision", name):
            with contextlib.suppress(ImportError, AttributeError):
                import_module(library)
    finally:
        for each in stubs:
            del sys.modules[each]


def _stubs() -> dict[str, ModuleType]:
    compiler, utils = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    compiler.__path__ = []
    vars(compiler).update(disable=_no_op_decorator, utils=utils)
    vars(utils).update(is_compile_supported=lambda device_type: False)
    return {each.__name__: each for each in (compiler, utils)}


def _no_op_decorator(function: Callable[..., Any] | None = None, *_: object, **__: object) -> Any:
    """Return ``function`` unchanged. Works with or without arguments, as ``disable`` does."""
    return _no_op_decorator if function is None else function
