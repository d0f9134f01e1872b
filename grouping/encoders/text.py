"""Texts to CLIP vectors.

Comes in: an open_clip model with its tokenizer, texts. Goes out: unit vectors, the same whatever is encoded
with them and however many threads there are. Not its job: loading (see encoder).

Most phrases have a tenth of the tokens that a tower reads. Where what stands behind the end of a text
can't change its vector, texts are brought to the length of their kind, not to the tower's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.records import Language

TEXTS_AT_ONCE = {"cpu": 64, "cuda": 1024}
"""Always as many, filled up: in a smaller product rows can have other last bits."""
TOKENS_STEP = 8
"""Lengths are rounded up to a multiple of this, so that there are few kinds."""
TEXTS_TOKENIZED = 4096

CHINESE_PROBE = "图中有一座红色的房子"
"""The commonest characters of any Chinese caption. An English byte vocabulary takes 2 to 3 pieces a
character for it, a multilingual one 1 or fewer."""
MOST_PIECES_A_CHARACTER = 1.5

_SENSITIVE_ONLY_BEFORE = ("argmax", "eos")
"""Ways of pooling that take one token, the last of the text itself."""


class OpenClipTextEncoder:
    """An open_clip text tower. Its vectors compare with those of the same checkpoint's image tower."""

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Callable[..., torch.Tensor],
        device: torch.device,
        cpu_threads: int,
    ) -> None:
        self._model, self._tokenizer, self._device = model, tokenizer, device
        self._threads = cpu_threads if device.type == "cpu" else 1
        self._at_once = TEXTS_AT_ONCE["cpu" if device.type == "cpu" else "cuda"]
        self._languages = _languages_of(tokenizer)
        self._shortened: dict[int, torch.nn.Module] = {}

    def reads(self, language: Language) -> bool:
        """Whether the tower's vocabulary has words of ``language``."""
        return language in self._languages

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, each row of length 1. What is longer than the tower reads is cut off."""
        blocks = [
            self._encode_block(texts[start : start + TEXTS_TOKENIZED])
            for start in range(0, len(texts), TEXTS_TOKENIZED)
        ]
        return np.concatenate(blocks)

    def _encode_block(self, texts: Sequence[str]) -> NDArray[np.float32]:
        tokens = self._tokenizer(list(texts))
        lengths = self._lengths(tokens)
        batches: list[tuple[NDArray[np.int64], int]] = []
        for length in np.unique(lengths):
            rows = np.flatnonzero(lengths == length)
            batches += [
                (rows[at : at + self._at_once], int(length)) for at in range(0, len(rows), self._at_once)
            ]
        for _, length in batches:
            self._model_for(length)  # made here: threads only read them

        def encode(batch: tuple[NDArray[np.int64], int]) -> NDArray[np.float32]:
            rows, length = batch
            return self._encode(tokens[np.resize(rows, self._at_once), :length], length)[: len(rows)]

        threads_before = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(self._threads, "texts", torch.set_num_threads, (1,)) as pool:
                found = list(pool.map(encode, batches))
        finally:
            torch.set_num_threads(threads_before)
        vectors = np.empty((len(texts), found[0].shape[1]), np.float32)
        for (rows, _), block in zip(batches, found, strict=True):
            vectors[rows] = block
        return vectors

    def _encode(self, tokens: torch.Tensor, length: int) -> NDArray[np.float32]:
        with torch.inference_mode():
            raw = self._model_for(length).encode_text(tokens.to(self._device)).float()  # type: ignore[operator]
            unit: NDArray[np.float32] = (raw / raw.norm(dim=1, keepdim=True)).cpu().numpy()
        return unit

    def _lengths(self, tokens: torch.Tensor) -> NDArray[np.int64]:
        """To how many tokens each text may be cut."""
        whole = tokens.shape[1]
        tower = _tower(self._model)
        if type(tower).__name__ == "HFTextEncoder":  # it masks what is padding
            used = (tokens != tower.config.pad_token_id).sum(dim=1)  # type: ignore[union-attr]
            return self._rounded_up(used, whole)
        pooling = getattr(tower, "pool_type", None) or getattr(tower, "text_pool_type", None)
        is_causal = isinstance(getattr(tower, "attn_mask", None), torch.Tensor)
        if not (is_causal and pooling in _SENSITIVE_ONLY_BEFORE and getattr(tower, "cls_emb", None) is None):
            return np.full(len(tokens), whole)
        if pooling == "argmax":
            last = tokens.argmax(dim=1)
        else:
            end = getattr(tower, "eos_id", None) or getattr(tower, "text_eos_id", None)
            is_end = torch.eq(tokens, end)  # type: ignore[arg-type]
            last = is_end.int().argmax(dim=1)
            last[~is_end.any(dim=1)] = whole - 1
        return self._rounded_up(last + 1, whole)

    def _rounded_up(self, used: torch.Tensor, whole: int) -> NDArray[np.int64]:
        counts = used.numpy().astype(np.int64)
        return np.minimum(whole, -(-counts // TOKENS_STEP) * TOKENS_STEP)

    def _model_for(self, length: int) -> torch.nn.Module:
        """The model with a tower that reads ``length`` tokens. Shares its weights."""
        if length not in self._shortened:
            tower = _tower(self._model)
            positions = getattr(tower, "positional_embedding", None)
            if positions is None or len(positions) == length:
                self._shortened[length] = self._model
            else:
                short = copy.copy(tower)
                short._parameters = {**tower._parameters}
                short._buffers = {**tower._buffers}
                short.positional_embedding = torch.nn.Parameter(positions[:length], requires_grad=False)
                short.attn_mask = tower.attn_mask[:length, :length]  # type: ignore[index]
                self._shortened[length] = _with_tower(self._model, short)
        return self._shortened[length]


def _tower(model: torch.nn.Module) -> torch.nn.Module:
    """What reads text: open_clip's plain CLIP does it itself, others have a part for it."""
    text = getattr(model, "text", None)
    return text if isinstance(text, torch.nn.Module) else model


def _with_tower(model: torch.nn.Module, tower: torch.nn.Module) -> torch.nn.Module:
    if _tower(model) is model:
        return tower
    whole = copy.copy(model)
    whole._modules = {**model._modules, "text": tower}
    return whole


def _languages_of(tokenizer: Callable[..., torch.Tensor]) -> frozenset[Language]:
    """English always; Chinese where the vocabulary has its characters, whole and not as bytes."""
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:  # open_clip's own vocabulary, of English words and bytes
        return frozenset({"en"})
    pieces = inner(CHINESE_PROBE, add_special_tokens=False)["input_ids"]
    unknown = sum(piece == inner.unk_token_id for piece in pieces)
    if unknown or len(pieces) > MOST_PIECES_A_CHARACTER * len(CHINESE_PROBE):
        return frozenset({"en"})
    return frozenset({"en", "zh"})
