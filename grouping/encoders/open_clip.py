"""Pictures to CLIP vectors, and text towers for texts; the one file that imports open_clip.

Comes in: a checkpoint, pictures as the tower sees them (see resize). Goes out: unit vectors, or a text
encoder (see text_encoder). Every way in which a checkpoint can't be loaded ends in one SetupError with one
line, in seconds. Not its job: reading and decoding (see prepare). Import this file only when there is
something to embed: it takes seconds.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import open_clip
import torch
from huggingface_hub import constants as hub_constants
from numpy.typing import NDArray
from open_clip.transform import PreprocessCfg

from triptych.errors import SetupError
from triptych.grouping.config import Precision
from triptych.grouping.embedding.preprocess import InputShape
from triptych.grouping.encoders.checkpoint import HUB_PREFIX, Checkpoint
from triptych.grouping.encoders.hub import hub_answers, offline, quiet
from triptych.grouping.encoders.text import OpenClipTextEncoder

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


ENCODED_TOGETHER = 16
"""Images that one thread of a CPU encodes at once. torch's own threads would change the last bits of rows
with their number (seen at 7 images: 1 thread against 2); slices of this size, each in one thread, don't."""


class OpenClipEncoder:
    """An open_clip image tower. ``encode`` is for one thread at a time."""

    def __init__(
        self, model: torch.nn.Module, device: torch.device, dtype: torch.dtype, cpu_threads: int
    ) -> None:
        self.model = model
        self.device = device
        self._dtype = dtype
        self._cpu_threads = cpu_threads
        settings = PreprocessCfg(**model.visual.preprocess_cfg)  # type: ignore[union-attr,arg-type]
        height, width = settings.size if isinstance(settings.size, (tuple, list)) else [settings.size] * 2
        self.shape = InputShape(
            height_px=height,
            width_px=width,
            resize_mode=settings.resize_mode,
            interpolation="bilinear" if settings.interpolation == "bilinear" else "bicubic",
            fill=settings.fill_color,
        )
        """What pictures are brought to."""
        mean, std = (
            torch.tensor(three, device=device).view(1, 3, 1, 1) for three in (settings.mean, settings.std)
        )
        self._scale, self._shift = 1 / (255 * std), -mean / std

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``uint8[n, height, width, 3]`` to ``float16[n, dim]``; rows are scaled to length 1 in float32.

        A picture for which the model gives no direction (zeros, infinities) gets a row of NaN. Rows are
        the same bytes for any number of threads. Raises SetupError where a GPU has too little memory.
        """
        if self.device.type == "cpu":
            return self._encode_in_threads(pixels)
        try:
            return self._encode_at_once(pixels)
        except torch.OutOfMemoryError:
            raise SetupError(
                f"{self.device} has too little memory for {len(pixels)} images at once; lower"
                " embedding.batch_size, or free the GPU"
            ) from None

    def _encode_in_threads(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        slices = [
            pixels[start : start + ENCODED_TOGETHER] for start in range(0, len(pixels), ENCODED_TOGETHER)
        ]
        threads_before = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(self._cpu_threads, "encode", torch.set_num_threads, (1,)) as pool:
                return np.concatenate(list(pool.map(self._encode_at_once, slices)))
        finally:
            torch.set_num_threads(threads_before)

    def _encode_at_once(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        with torch.inference_mode():
            levels = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float().contiguous()
            inputs = levels.mul_(self._scale).add_(self._shift).to(self._dtype)
            raw = self.model.encode_image(inputs).float()  # type: ignore[operator]
            lengths = raw.norm(dim=1, keepdim=True)
            unit = torch.where(torch.isfinite(lengths) & (lengths > 0), raw / lengths, torch.nan)
        rows: NDArray[np.float16] = unit.cpu().numpy().astype(np.float16)
        return rows

    def check(self) -> None:
        """Raise SetupError if the model gives nothing finite for a plain grey picture."""
        row = self.encode(np.full((1, self.shape.height_px, self.shape.width_px, 3), 128, np.uint8))
        if not np.isfinite(row).all():
            raise SetupError("gives no finite vector for a grey picture; its weights are damaged")


def load_text_encoder(checkpoint: Checkpoint, device: str, cpu_threads: int = 1) -> OpenClipTextEncoder:
    """Load the text tower of ``checkpoint``. Raises SetupError as load_encoder does."""
    encoder = load_encoder(checkpoint, device)
    with quiet(), offline():
        try:
            tokenizer = open_clip.get_tokenizer(checkpoint.model)
        except Exception as error:  # whatever a tokenizer's files make it raise
            reason = " ".join(str(error).split())[:300]
            raise SetupError(
                f"embedding model {checkpoint.model} has no tokenizer on this machine"
                f" ({type(error).__name__}: {reason}); set filtering.grounding=false or get its files"
            ) from None
    return OpenClipTextEncoder(encoder.model, tokenizer, encoder.device, cpu_threads)


def load_encoder(
    checkpoint: Checkpoint, device: str, precision: Precision = "auto", cpu_threads: int = 1
) -> OpenClipEncoder:
    """Load ``checkpoint`` on ``device`` (``cpu``, ``cuda``, ``cuda:N``; see devices).

    Raises SetupError: an unknown name or tag, weights that are neither on disk nor to be had, weights
    that don't fit the config, too little memory.
    """
    where = torch.device(device)
    if precision == "auto":
        precision = "fp32" if where.type == "cpu" else "fp16"
    if checkpoint.folder is None and not checkpoint.model.startswith(HUB_PREFIX):
        _check_known(checkpoint)
    try:
        with quiet():
            model = _create(checkpoint, where, precision)
            encoder = OpenClipEncoder(model.eval(), where, DTYPES[precision], cpu_threads)
            encoder.check()
    except SetupError as error:
        raise SetupError(f"embedding model {checkpoint.model}: {error}") from None
    except Exception as error:  # open_clip and torch raise whatever a config or a file makes them raise
        reason = " ".join(str(error).split())[:300]
        raise SetupError(
            f"embedding model {checkpoint.model} can't be loaded ({type(error).__name__}: {reason});"
            " check that its config and weights belong together, or name another with embedding.model"
        ) from None
    return encoder


def _check_known(checkpoint: Checkpoint) -> None:
    """Raise SetupError, with the closest ones, where open_clip has no such model or tag."""
    name, tag = checkpoint.model, checkpoint.pretrained
    models = open_clip.list_models()
    if name not in models:
        raise SetupError(
            f"embedding model {name} is neither a folder nor a name that open_clip knows"
            f"{_closest(name, models)}; open_clip.list_models() has them all"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag is None:
        raise SetupError(
            f"embedding model {name} needs embedding.pretrained;"
            f" expected a weights file or a tag such as {_some(tags)}"
        )
    is_file = not checkpoint.identity.endswith(f" {tag}")
    if not is_file and not open_clip.get_pretrained_cfg(name, tag):
        raise SetupError(
            f"embedding.pretrained {tag} is neither a weights file nor a tag of {name}{_closest(tag, tags)};"
            f" it has {_some(tags)}"
        )


def _closest(word: str, known: Sequence[str]) -> str:
    lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(lower[each] for each in found)}?)" if found else ""


def _some(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - 5} more" if len(tags) > 5 else ""
    return f"{', '.join(tags[:5])}{more}" if tags else "none: its weights were not published"


def _create(checkpoint: Checkpoint, where: torch.device, precision: str) -> torch.nn.Module:
    """The model with its weights: from a folder or the hub's cache; else downloaded, if the hub answers."""
    try:
        with offline():
            return _create_now(checkpoint, where, precision)
    except Exception:
        if checkpoint.folder is not None or hub_constants.is_offline_mode():
            raise
    if not hub_answers():
        raise SetupError(
            f"its weights are not on this machine and {hub_constants.ENDPOINT} can't be reached; on a machine"
            " with network, download a folder with open_clip_config.json and weights, and name it as"
            " embedding.model"
        )
    return _create_now(checkpoint, where, precision)


def _create_now(checkpoint: Checkpoint, where: torch.device, precision: str) -> torch.nn.Module:
    model: torch.nn.Module = open_clip.create_model(
        checkpoint.model,
        pretrained=checkpoint.pretrained,
        precision=precision,
        device=where,
        require_pretrained=True,
    )
    return model
