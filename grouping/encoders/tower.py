"""Runs a tower: pixels or texts to unit vectors, in batches, on a CPU or a GPU.

Comes in: a model's forward function and its preprocessing. Goes out: unit vectors, the same bytes for any
number of threads. Not its job: loading a model (see the families), decoding and resizing (see embedding).
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
"""Most images that one CPU thread encodes at once. If torch used several threads for a slice, the last bits
of rows would depend on their number (seen with 7 images: 1 thread against 2)."""

SLICE_BYTES = 16 * 2**20
"""Limit for the largest tensor in encoding a slice. glibc maps blocks above 32 MiB anew each time, and a
thread's heap holds 64 MiB: larger slices spend half of the processor time clearing pages (decision 0083)."""

KEPT_BLOCK_BYTES = 31 * 2**20
"""glibc keeps free memory up to twice the largest block below 32 MiB freed so far, so one is freed first."""

TEXT_BATCH_SIZE = {"cpu": 64, "cuda": 1024}
"""Batches are padded to this size: in a smaller matrix product, the last bits of a row can differ."""

CHINESE_PROBE = "图中有一座红色的房子"
"""Common characters of Chinese captions. An English byte-level vocabulary needs 2 to 3 tokens per character,
a multilingual one at most 1."""
MAX_TOKENS_PER_CHARACTER = 1.5

T = TypeVar("T")
R = TypeVar("R")


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how a tower runs."""

    device: str
    """Torch device name: ``cpu``, ``cuda``, ``cuda:1``."""
    precision: str
    """``fp32``, ``fp16`` or ``bf16``."""
    cpu_threads: int = 1


class _LargestTensor(TorchFunctionMode):
    """Records the size of the largest tensor created in its context."""

    size_bytes = 1

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.size_bytes = max(self.size_bytes, result.nbytes)
        return result


class TorchTower:
    """An image tower. ``encode`` isn't thread-safe."""

    def __init__(
        self,
        embed: Callable[[torch.Tensor], torch.Tensor],
        shape: InputShape,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        placement: Placement,
    ) -> None:
        """``embed`` maps ``[n, 3, height, width]`` to vectors ``[n, dim]`` of any length. Its input is scaled
        to [0, 1], then normalised by ``mean`` and ``std``."""
        self.embed = embed
        self.shape = shape
        """Input size, and how pictures are resized to it."""
        self.device = torch.device(placement.device)
        self._dtype = DTYPES[placement.precision]
        self._cpu_threads = placement.cpu_threads
        means, stds = (torch.tensor(each, device=self.device).view(1, 3, 1, 1) for each in (mean, std))
        self._scale, self._shift = 1 / (255 * stds), -means / stds

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        """``uint8[n, height, width, 3]`` to ``float16[n, dim]``; rows are scaled to length 1 in float32.

        A picture for which the model returns zeros or infinities gets a row of NaN. Rows are the same bytes
        for any number of threads. Raises SetupError if a GPU has too little memory.
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
        """Images that one CPU thread encodes at once. Depends on the model only, not on the machine."""
        torch.empty(KEPT_BLOCK_BYTES, dtype=torch.uint8)  # freed at once
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
        """Raise SetupError if the model returns no finite vector for a plain grey picture."""
        if not np.isfinite(self.encode(self.shape.grey())).all():
            raise SetupError("gives no finite vector for a grey picture; its weights are damaged")


class TextTower:
    """A text tower. It shares the vector space of the checkpoint's image tower. A text's vector is the same
    bytes whatever other texts are encoded with it."""

    def __init__(
        self,
        tokenize: Callable[[list[str]], torch.Tensor],
        embed: Callable[[torch.Tensor], torch.Tensor],
        *,
        languages: frozenset[str],
        placement: Placement,
    ) -> None:
        """``tokenize`` returns ``int64[n, context]``, ``embed`` maps them to vectors ``[n, dim]`` of any
        length. ``languages`` are the codes of the languages that the vocabulary covers."""
        self._tokenize, self._embed, self._languages = tokenize, embed, languages
        self._device = torch.device(placement.device)
        self._threads = placement.cpu_threads if self._device.type == "cpu" else 1
        self._batch_size = TEXT_BATCH_SIZE[self._device.type]

    def reads(self, language: str) -> bool:
        """Whether the vocabulary covers the language with this code."""
        return language in self._languages

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]`` unit rows. Texts longer than the tower's context are truncated."""
        tokens, size = self._tokenize(list(texts)), self._batch_size
        batches = [
            tokens[np.resize(np.arange(start, min(start + size, len(texts))), size)]
            for start in range(0, len(texts), size)
        ]
        rows = np.concatenate(one_thread_each(self._encode_at_once, batches, self._threads))
        return rows[: len(texts)]

    def _encode_at_once(self, tokens: torch.Tensor) -> NDArray[np.float32]:
        with torch.inference_mode():
            raw = self._embed(tokens.to(self._device)).float()
            unit: NDArray[np.float32] = (raw / raw.norm(dim=1, keepdim=True)).cpu().numpy()
        return unit


def languages_of(tokenizer: Any) -> frozenset[str]:
    """English, and Chinese if the vocabulary has its characters as whole tokens rather than bytes.

    ``tokenizer`` is a Hugging Face tokenizer; None means an English vocabulary.
    """
    if tokenizer is None:
        return frozenset({"en"})
    tokens = tokenizer(CHINESE_PROBE, add_special_tokens=False)["input_ids"]
    if tokenizer.unk_token_id in tokens or len(tokens) > MAX_TOKENS_PER_CHARACTER * len(CHINESE_PROBE):
        return frozenset({"en"})
    return frozenset({"en", "zh"})


def one_thread_each(work: Callable[[T], R], pieces: Sequence[T], threads: int) -> list[R]:
    """``work`` of each piece, in ``threads`` threads, each of which runs torch single-threaded.

    torch's number of threads is global to the process; it is restored on return.
    """
    threads_before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "encode", torch.set_num_threads, (1,)) as pool:
            return list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(threads_before)
