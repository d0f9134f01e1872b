"""Embeddings of phrases, remembered in bounded memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.grounding.phrase_embeddings import PhraseEmbeddings


class Counting:
    """Gives each text the embedding of its length, and notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def reads(self, language: str) -> bool:
        return True

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        return np.array([[len(text), 1.0] for text in texts], np.float32)


def test_a_phrase_is_encoded_once() -> None:
    """Within a call and over calls."""
    encoder = Counting()
    embed = PhraseEmbeddings(encoder)
    embed(["a cat", "a dog", "a cat"])

    assert [[5, 1], [7, 1]] == embed(["a cat", "a horse"]).tolist()
    assert ["a cat", "a dog", "a horse"] == encoder.asked


def test_what_was_not_asked_for_lately_is_forgotten() -> None:
    """So that memory is bounded; what is in use stays."""
    encoder = Counting()
    embed = PhraseEmbeddings(encoder, cache_bytes=32)
    for number in range(20):
        embed(["in use", f"once {number}"])
    embed(["once 0"])

    assert 1 == encoder.asked.count("in use")
    assert 2 == encoder.asked.count("once 0")
