"""Vectors of phrases, each encoded once for as long as it is in use.

Comes in: texts, and a text encoder that whoever calls the filter hands in. Goes out: a vector each. Not its
job: which texts (see phrases), the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from triptych.records import Language

KEPT_BYTES = 256 * 2**20
"""Of vectors, in each of two generations: half a million phrases of 128 dimensions in fp32, 87,000 of 768.
A corpus says the same thing again and again; what it hasn't said for a generation is encoded anew."""


class TextEncoder(Protocol):
    """The text tower of the model that made the embeddings."""

    def reads(self, language: Language) -> bool:
        """Whether it knows words of ``language``."""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]``, each row of length 1, the same whatever else is encoded with it."""


LoadTextEncoder = Callable[[], TextEncoder]


class PhraseVectors:
    """Remembers the vectors of texts that were asked for lately."""

    def __init__(self, encoder: TextEncoder, kept_bytes: int = KEPT_BYTES) -> None:
        self._encoder, self._kept_bytes = encoder, kept_bytes
        self._young: dict[str, NDArray[np.float32]] = {}
        self._old: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """``float32[n, dim]`` for one text or more."""
        different = dict.fromkeys(texts)
        unknown = [text for text in different if text not in self._young and text not in self._old]
        fresh = dict(zip(unknown, self._encoder.encode_texts(unknown), strict=True)) if unknown else {}
        found = {text: self._known(text) if text not in fresh else fresh[text] for text in different}
        # A copy each: a row of the encoder's block would keep the whole block.
        self._young.update((text, vector.copy()) for text, vector in found.items() if text not in self._young)
        vector_bytes = next(iter(found.values())).nbytes
        if len(self._young) * vector_bytes > self._kept_bytes:
            self._old, self._young = self._young, {}
        return np.stack([found[text] for text in texts])

    def _known(self, text: str) -> NDArray[np.float32]:
        young = self._young.get(text)
        return self._old[text] if young is None else young
