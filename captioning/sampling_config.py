"""The sampling settings of a job.

Comes in: a table such as ``[captioning.sampling.single_en]``. Goes out: one validated, frozen JobSampling,
and the Sampling of each of its requests. Values that an engine would ignore or change are refused, because a
setting without effect is worse than none. Not its job: sampling (see engines).

What lmdeploy 0.18 does, from its source: its server always samples, so top_k 1 makes it greedy, and a
repetition penalty applies to greedy search too (its Python pipeline resets it there); a penalty of 0 or less
silently becomes 1; TurboMind fails on a top_k above 1024; a temperature above 2 is an error; a seed without
sampling does nothing. Its PyTorch engine and Triptych's transformers engine penalise tokens of the caption so
far, TurboMind those of the prompt too.
"""

from __future__ import annotations

import hashlib

import msgspec

from triptych.captioning.engine import Sampling
from triptych.errors import UsageError, expect_fields

DEFAULT_TOP_K = 50
"""With a temperature and no top_k: the default of lmdeploy and transformers."""

MAX_TOP_K = 1024
MAX_TEMPERATURE = 2.0


class JobSampling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Greedy by default. Raises UsageError for values that are invalid or would have no effect."""

    temperature: float = 0.0
    """0: always the likeliest token. Up to 2: the higher, the flatter the distribution."""
    top_k: int | None = None
    """Sample from this many of the likeliest tokens. 0: all. None: 50 if a temperature is given."""
    top_p: float = 1.0
    """Sample from the likeliest tokens whose probabilities add up to this."""
    repetition_penalty: float = 1.0
    """Divides the scores of tokens that the caption already has. 1: no penalty; 1.05 is strong."""
    seed: int | None = None
    """Each request's own seed is derived from this one. None: 0."""
    max_tokens: int | None = None
    """Maximum tokens. None: captioning.max_tokens_single or max_tokens_multi."""

    def __post_init__(self) -> None:
        expect_fields(self, "captioning.sampling")
        self._check(0 <= self.temperature <= MAX_TEMPERATURE, "temperature", "0 to 2")
        self._check(self.top_k is None or 0 <= self.top_k <= MAX_TOP_K, "top_k", "0 (all) to 1024")
        self._check(0 < self.top_p <= 1, "top_p", "more than 0, at most 1")
        self._check(self.repetition_penalty > 0, "repetition_penalty", "more than 0")
        self._check(self.seed is None or self.seed >= 0, "seed", "0 or more")
        self._check(self.max_tokens is None or self.max_tokens >= 1, "max_tokens", "1 or more")
        if self.temperature > 0:
            self._check(
                self.top_k != 1,
                "top_k",
                f"0 or 2 to 1024: with 1, temperature {self.temperature:g} does nothing",
            )
        else:
            why = "no value without a temperature: the likeliest token is taken, so it would do nothing"
            self._check(self.top_k in (None, 1), "top_k", why)
            self._check(self.top_p == 1, "top_p", why)
            self._check(self.seed is None, "seed", why)

    def of_request(self, request_id: str) -> Sampling:
        """The sampling of one request, with a seed derived from its id."""
        if self.temperature == 0:
            return Sampling(repetition_penalty=self.repetition_penalty)
        digest = hashlib.blake2b(f"{self.seed or 0} {request_id}".encode(), digest_size=4).digest()
        return Sampling(
            temperature=self.temperature,
            top_k=DEFAULT_TOP_K if self.top_k is None else self.top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            seed=int.from_bytes(digest) >> 1,  # 31 bits: some servers take no more
        )

    def words(self) -> str:
        """A description for the run folder, without max_tokens."""
        given = [f"repetition_penalty {self.repetition_penalty:g}"] if self.repetition_penalty != 1 else []
        if self.temperature == 0:
            return ", ".join(["greedy", *given])
        top_k = DEFAULT_TOP_K if self.top_k is None else self.top_k
        drawn = f"temperature {self.temperature:g}, top_k {top_k}, top_p {self.top_p:g}"
        return ", ".join([drawn, *given, f"seed {self.seed or 0}"])

    def _check(self, ok: bool, name: str, expected: str) -> None:
        if not ok:
            raise UsageError(f"{name} {getattr(self, name)} in captioning.sampling: expected {expected}")
