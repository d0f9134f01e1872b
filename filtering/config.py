"""The filter's settings: which rules run, in which order, and where each draws the line.

Every bound stands beside its source or its reasoning. "The seed" is InternVL-SA-1B-Caption: its card
names no bounds, but its bytes a row (1,040 and 830 for one image, 1,990 and 1,580 for a set), less
prompt and JSON, give captions of about 95 words or 150 characters, and 230 words or 330 characters.
Not its job: measuring (see rules).
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from corpus.errors import UsageError

RuleName = Literal[
    "truncated", "too_short", "too_long", "repeated", "wrong_language", "multi_paragraph", "exact_duplicate"
]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)


class FilteringConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which captions are dropped. Lengths are in words for English, in Han characters for Chinese."""

    rules: tuple[RuleName, ...] = RULE_NAMES
    """The rules to run. The first of them that drops a caption is its reason."""

    min_words_single: int = 10
    """English, one image: a tenth of the seed's mean. Shorter is a label, not a description."""
    min_words_multi: int = 20
    """English, a set: the same for two images, the smallest set."""
    max_words_single: int = 400
    """English, one image: four times the seed's mean. Longer is speculation or a loop."""
    max_words_multi: int = 900
    """English, a set: four times the seed's mean."""

    min_han_single: int = 15
    """Chinese, one image: a tenth of the seed's mean."""
    min_han_multi: int = 30
    """Chinese, a set: the same for two images."""
    max_han_single: int = 600
    """Chinese, one image: four times the seed's mean."""
    max_han_multi: int = 1300
    """Chinese, a set: four times the seed's mean."""

    repeated_ngram_words: int = 8
    """English: a stretch of so many words said again is a repetition. Long enough for a listing such as
    "a red boat and a blue boat" to stay clear: none of 1,500 true demo captions of one image has one."""
    repeated_ngram_han: int = 12
    """Chinese: the same in characters, at about 1.5 characters a word (the seed's 150 to 95)."""
    max_repeated_share: float = 0.15
    """Of the caption. Gopher drops documents with 0.15 of their characters in repeated 5-grams and 0.10
    in repeated 10-grams (Rae et al. 2021, table A1). True demo captions have 0 in all four jobs, one
    sentence said twice has 0.5, a sentence said twenty times 0.95."""

    min_latin_share: float = 0.8
    """English: of words outside quotation marks, in Latin letters; data-juicer asks its language
    classifier for 0.8 as well. Leaves room for foreign words, none for a second language."""
    min_han_share: float = 0.7
    """Chinese: of Han characters and foreign words outside quotation marks. Lower than for English:
    Chinese captions write brands and abbreviations in Latin letters without quotation marks."""

    def __post_init__(self) -> None:
        """Raises UsageError where a bound can't be one."""
        for name in ("max_repeated_share", "min_latin_share", "min_han_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UsageError(f"filtering.{name} is {getattr(self, name)}; expected a share from 0 to 1")
        for name in ("repeated_ngram_words", "repeated_ngram_han"):
            if getattr(self, name) < 2:
                raise UsageError(f"filtering.{name} is {getattr(self, name)}; expected at least 2")
        for unit in ("words", "han"):
            for kind in ("single", "multi"):
                low, high = getattr(self, f"min_{unit}_{kind}"), getattr(self, f"max_{unit}_{kind}")
                if not 0 <= low <= high:
                    raise UsageError(
                        f"filtering.min_{unit}_{kind} is {low} and max_{unit}_{kind} {high};"
                        " expected 0 <= min <= max"
                    )
        if len(set(self.rules)) < len(self.rules):
            raise UsageError(f"filtering.rules names a rule twice: {', '.join(self.rules)}; name each once")
