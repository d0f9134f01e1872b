"""Embeddings of phrases, cached in bounded memory."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.grounding.phrase_embeddings import PhraseEmbeddings


class RecordingEncoder:
    """An encoder that returns an embedding with each text's length, and records the texts."""

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def reads(self, language: str) -> bool:
        return True

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        return np.array([[len(text), 1.0] for text in texts], np.float32)


def test_a_phrase_is_encoded_once() -> None:
    """Within one call and over several."""
    encoder = RecordingEncoder()
    embed = PhraseEmbeddings(encoder)
    embed(["a cat", "a dog", "a cat"])

    assert [[5, 1], [7, 1]] == embed(["a cat", "a horse"]).tolist()
    assert ["a cat", "a dog", "a horse"] == encoder.encoded


def test_embeddings_that_were_not_used_recently_are_dropped() -> None:
    """So memory is bounded. Those in use stay."""
    encoder = RecordingEncoder()
    embed = PhraseEmbeddings(encoder, cache_bytes=32)
    for number in range(20):
        embed(["in use", f"once {number}"])
    embed(["once 0"])

    assert 1 == encoder.encoded.count("in use")
    assert 2 == encoder.encoded.count("once 0")
