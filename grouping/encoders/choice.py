"""The encoder that a config names.

Comes in: ``embedding.model`` and ``embedding.pretrained``. Goes out: a Checkpoint, and its towers. Every way
in which a model can't be loaded ends in one SetupError with one line, in seconds. Not its job: what the
models of a family are (see its file).
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from triptych.errors import SetupError
from triptych.extras import missing_line, require
from triptych.grouping.config import Precision
from triptych.grouping.encoders import Checkpoint, EncoderFamily, open_clip, timm, transformers
from triptych.grouping.encoders.library_import import import_library

if TYPE_CHECKING:
    from triptych.grouping.encoders.tower import Placement, TextTower, TorchTower

FAMILIES: tuple[EncoderFamily, ...] = (
    timm.FAMILY,
    transformers.FAMILY,
    open_clip.FAMILY,  # without a prefix, so it comes last
)

T = TypeVar("T")


def resolve_encoder(model: str, pretrained: str | None = None) -> Checkpoint:
    """The checkpoint that a config's ``model`` and ``pretrained`` name, without loading any library.

    Raises SetupError where a folder isn't there or isn't a model of its family.
    """
    family = _family_of(model)
    checkpoint = family.resolve(model.removeprefix(family.prefix), pretrained)
    return msgspec.structs.replace(checkpoint, model=model)


def load_encoder(
    checkpoint: Checkpoint, device: str, precision: Precision = "auto", cpu_threads: int = 1
) -> TorchTower:
    """The image tower of ``checkpoint`` on ``device`` (``cpu``, ``cuda``, ``cuda:N``; see usable_devices).

    Raises SetupError: an unknown name, weights that are neither on disk nor to be had, weights that don't fit
    the config or are damaged, too little memory.
    """
    family = _family_of(checkpoint.model)

    def load() -> TorchTower:
        tower = family.load(checkpoint, _placement(device, precision, cpu_threads))
        tower.check()
        return tower

    return _in_one_line(checkpoint, load)


def load_text_encoder(checkpoint: Checkpoint, device: str, cpu_threads: int = 1) -> TextTower:
    """The text tower of ``checkpoint``. Raises SetupError as load_encoder does, and where there is none."""
    family = _family_of(checkpoint.model)
    load = family.load_text
    if load is None:
        raise SetupError(
            f"embedding model {checkpoint.model} has no text tower, so texts can't be compared"
            " with its images; set filtering.grounding=false, search by --image, or embed with a model of"
            " both such as open_clip's"
        )
    return _in_one_line(checkpoint, lambda: load(checkpoint, _placement(device, "auto", cpu_threads)))


def usable_devices(devices: Literal["auto"] | tuple[str, ...]) -> list[str]:
    """Torch's names of the devices that a config's ``embedding.devices`` means, one a worker.

    ``auto`` is all GPUs, or the CPU. Raises SetupError where a named GPU isn't there, or torch isn't.
    """
    instead = "group embeddings that you have with `triptych group --embeddings PATH`"
    require("local", "torch", what="the image encoder", instead=instead)
    with _without_collecting():
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


def _in_one_line(checkpoint: Checkpoint, load: Callable[[], T]) -> T:
    """What ``load`` returns. Whatever it raises becomes a SetupError of one line that names the model."""
    try:
        with _without_collecting():
            import_library(_family_of(checkpoint.model).library)
            return load()
    except SetupError as error:
        raise SetupError(f"embedding model {checkpoint.model}: {error}") from None
    except ModuleNotFoundError as error:
        what = f"embedding model {checkpoint.model}"
        raise SetupError(missing_line("local", error.name or str(error), what=what)) from None
    except Exception as error:  # libraries raise whatever a config or a file makes them raise
        reason = " ".join(str(error).split())[:300]
        raise SetupError(
            f"embedding model {checkpoint.model} can't be loaded ({type(error).__name__}: {reason});"
            " check that its config and weights belong together, or name another with embedding.model"
        ) from None


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Imports go a tenth faster where the garbage collector doesn't look through them again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
