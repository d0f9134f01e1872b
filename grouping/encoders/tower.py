"""Runs a tower: pixels or texts to unit vectors, in batches, on a CPU or a GPU.

Comes in: what a family's library makes of a batch, and its preprocessing. Goes out: unit vectors, the same
bytes however many threads there are. Not its job: loading a model (see the families' files), decoding and
resizing (see embedding).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch.overrides import TorchFunctionMode

from triptych.errors import SetupError
from triptych.grouping.embedding.preprocess import InputShape

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}

SLICE_IMAGES = 16
"""Images that one thread of a CPU encodes at once, at most. torch's own threads would change the last bits of
rows with their number (seen at 7 images: 1 thread against 2); slices, each in one thread, don't."""

SLICE_BYTES = 16 * 2**20
"""Of the largest tensor that a slice makes. glibc maps blocks above 32 MiB anew each time, and a thread's
heap holds 64 MiB: in larger slices half of the processor's time goes into clearing pages (decision 0083)."""

KEPT_BLOCK_BYTES = 31 * 2**20
"""glibc keeps freed memory up to twice the largest block below 32 MiB that was freed before."""

TEXTS_TOGETHER = {"cpu": 64, "cuda": 1024}
"""Always as many, filled up: in a smaller product rows can have other last bits."""

CHINESE_PROBE = "图中有一座红色的房子"
"""The commonest characters of any Chinese caption. An English byte vocabulary takes 2 to 3 pieces a
character for it, a multilingual one 1 or fewer."""
MAX_PIECES_A_CHARACTER = 1.5

T = TypeVar("T")
R = TypeVar("R")


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how a tower runs."""

    device: str
    """As torch names it: ``cpu``, ``cuda``, ``cuda:1``."""
    precision: str
    """``fp32``, ``fp16`` or ``bf16``."""
    cpu_threads: int = 1


class _LargestTensor(TorchFunctionMode):
    """Notes the size of the largest tensor that is made inside."""

    size_bytes = 1

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.size_bytes = max(self.size_bytes, made.nbytes)
        return made


class TorchTower:
    """An image tower. ``encode`` is for one thread at a time."""

    def __init__(
        self,
        embed: Callable[[torch.Tensor], torch.Tensor],
        shape: InputShape,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        placement: Placement,
    ) -> None:
        """``embed`` takes ``[n, 3, height, width]``, normalised by ``mean`` and ``std`` of values in [0, 1],
        to ``[n, dim]`` of any length."""
        self.embed = embed
        self.shape = shape
        """What pictures are resized to."""
        self.device = torch.device(placement.device)
        self._dtype = DTYPES[placement.precision]
        self._cpu_threads = placement.cpu_threads
        means, stds = (torch.tensor(each, device=self.device).view(1, 3, 1, 1) for each in (mean, std))
        self._scale, self._shift = 1 / (255 * stds), -means / stds

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``uint8[n, height, width, 3]`` to ``float16[n, dim]``; rows are scaled to length 1 in float32.

        A picture for which the model gives no direction (zeros, infinities) gets a row of NaN. Rows are
        the same bytes for any number of threads. Raises SetupError where a GPU has too little memory.
        """
        if self.device.type == "cpu":
            size = self.slice_images
            slices = [pixels[start : start + size] for start in range(0, len(pixels), size)]
            return np.concatenate(one_thread_each(self._encode_at_once, slices, self._cpu_threads))
        try:
            return self._encode_at_once(pixels)
        except torch.OutOfMemoryError:
            raise SetupError(
                f"{self.device} has too little memory for {len(pixels)} images at once; lower"
                " embedding.batch_size, or free the GPU"
            ) from None

    @cached_property
    def slice_images(self) -> int:
        """Images that one thread of a CPU encodes at once: the same for a model wherever it runs."""
        torch.empty(KEPT_BLOCK_BYTES, dtype=torch.uint8)  # and freed
        largest = _LargestTensor()
        with largest:
            self._encode_at_once(self.shape.grey())
        return max(1, min(SLICE_IMAGES, SLICE_BYTES // largest.size_bytes))

    def _encode_at_once(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        with torch.inference_mode():
            levels = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float().contiguous()
            inputs = levels.mul_(self._scale).add_(self._shift).to(self._dtype)
            raw = self.embed(inputs).float()
            lengths = raw.norm(dim=1, keepdim=True)
            unit = torch.where(torch.isfinite(lengths) & (lengths > 0), raw / lengths, torch.nan)
        rows: NDArray[np.float16] = unit.cpu().numpy().astype(np.float16)
        return rows

    def check(self) -> None:
        """Raise SetupError if the model gives nothing finite for a plain grey picture."""
        if not np.isfinite(self.encode(self.shape.grey())).all():
            raise SetupError("gives no finite vector for a grey picture; its weights are damaged")


class TextTower:
    """A text tower. Its vectors compare with those of the same checkpoint's image tower, and are the same
    bytes whatever is encoded with them."""

    def __init__(
        self,
        tokenize: Callable[[list[str]], torch.Tensor],
        embed: Callable[[torch.Tensor], torch.Tensor],
        *,
        languages: frozenset[str],
        placement: Placement,
    ) -> None:
        """``tokenize`` gives ``int64[n, context]``, ``embed`` takes them to ``[n, dim]`` of any length.
        ``languages`` are codes of those that the vocabulary has words of."""
        self._tokenize, self._embed, self._languages = tokenize, embed, languages
        self._device = torch.device(placement.device)
        self._threads = placement.cpu_threads if self._device.type == "cpu" else 1
        self._together = TEXTS_TOGETHER[self._device.type]

    def reads(self, language: str) -> bool:
        """Whether the vocabulary has words of the language with this code."""
        return language in self._languages

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, each row of length 1. What is longer than the tower reads is cut off."""
        tokens = self._tokenize(list(texts))
        batches = [
            tokens[np.resize(np.arange(start, min(start + self._together, len(texts))), self._together)]
            for start in range(0, len(texts), self._together)
        ]
        rows = np.concatenate(one_thread_each(self._encode_at_once, batches, self._threads))
        return rows[: len(texts)]

    def _encode_at_once(self, tokens: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            raw = self._embed(tokens.to(self._device)).float()
            unit: NDArray[np.float32] = (raw / raw.norm(dim=1, keepdim=True)).cpu().numpy()
        return unit


def languages_of(tokenizer: Any) -> frozenset[str]:
    """English always; Chinese where the vocabulary has its characters, whole and not as bytes.

    ``tokenizer`` is one of Hugging Face's; None is an English vocabulary.
    """
    if tokenizer is None:
        return frozenset({"en"})
    pieces = tokenizer(CHINESE_PROBE, add_special_tokens=False)["input_ids"]
    unknown = sum(piece == tokenizer.unk_token_id for piece in pieces)
    if unknown or len(pieces) > MAX_PIECES_A_CHARACTER * len(CHINESE_PROBE):
        return frozenset({"en"})
    return frozenset({"en", "zh"})


def one_thread_each(work: Callable[[T], R], pieces: Sequence[T], threads: int) -> list[R]:
    """``work`` of each piece, each computed by one thread alone; so many side by side.

    torch counts threads for the whole process: its number is back as it was when this returns.
    """
    threads_before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "encode", torch.set_num_threads, (1,)) as pool:
            return list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(threads_before)
