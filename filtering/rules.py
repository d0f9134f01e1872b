"""The rules, each a function of a caption and the bounds.

Comes in: a candidate. Goes out: None to keep it, or the score that drops it. A rule never raises,
whatever the text. A new rule is a function here (or in a file of its family), a name in
``config.RuleName`` and a line in TEXT_RULES. Not its job: what several captions say together (see
duplicates), the order of rules (see config).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

from filtering.candidate import Candidate
from filtering.config import FilteringConfig, RuleName
from filtering.repetition import loop_share, ngram_share, sentence_share
from filtering.script import script_share

Rule = Callable[[Candidate, FilteringConfig], float | None]

_SENTENCE_ENDS = frozenset(".!?。！？．｡")
"""Of both scripts, so that a caption in the wrong language isn't taken for a cut one. An ellipsis is
not among them: a description that trails off has stopped mid-sentence."""

_MAY_FOLLOW_THE_END = frozenset({"Pe", "Pf", "Pi", "So", "Sk", "Mn", "Cf", "Cc", "Zs", "Zl", "Zp"})
"""Unicode categories: closing brackets, quotation marks, emoji and what modifies them, white space."""


def truncated(candidate: Candidate, config: FilteringConfig) -> float | None:
    """1.0 where the token limit cut the caption, or it ends without the end of a sentence."""
    if candidate.finish_reason == "length":
        return 1.0
    text = candidate.text.rstrip()
    at = len(text)
    while at > 0 and (text[at - 1] in "\"'*_" or unicodedata.category(text[at - 1]) in _MAY_FOLLOW_THE_END):
        at -= 1
    if at == 0:
        return None
    trails_off = text[:at].endswith("..") and at == len(text)
    return 1.0 if trails_off or text[at - 1] not in _SENTENCE_ENDS else None


def too_short(candidate: Candidate, config: FilteringConfig) -> float | None:
    """The length, where it is below the minimum."""
    length = len(candidate.units)
    return float(length) if length < length_bounds(candidate, config)[0] else None


def too_long(candidate: Candidate, config: FilteringConfig) -> float | None:
    """The length, where it is above the maximum."""
    length = len(candidate.units)
    return float(length) if length > length_bounds(candidate, config)[1] else None


def repeated(candidate: Candidate, config: FilteringConfig) -> float | None:
    """The share of the caption that says again what it said, where it is above the bound.

    The largest of three: loops (the same few words without a break), whole sentences that come
    again, and long stretches that come more often than once an image and once for all of them.
    """
    n = config.repeated_ngram_han if candidate.language == "zh" else config.repeated_ngram_words
    share = max(
        loop_share(candidate.units),
        sentence_share(candidate.sentences),
        ngram_share(candidate.units, n, allowed=candidate.image_count + 1),
    )
    return share if share > config.max_repeated_share else None


def wrong_language(candidate: Candidate, config: FilteringConfig) -> float | None:
    """The share of the caption in the asked script, where it is below the bound."""
    share = script_share(candidate.text, candidate.language)
    bound = config.min_han_share if candidate.language == "zh" else config.min_latin_share
    return share if share is not None and share < bound else None


def multi_paragraph(candidate: Candidate, config: FilteringConfig) -> float | None:
    """The number of lines with text, where there is more than one."""
    lines = sum(1 for line in candidate.text.splitlines() if line.strip())
    return float(lines) if lines > 1 else None


TEXT_RULES: Mapping[RuleName, Rule] = {
    "truncated": truncated,
    "too_short": too_short,
    "too_long": too_long,
    "repeated": repeated,
    "wrong_language": wrong_language,
    "multi_paragraph": multi_paragraph,
}
"""Every rule that looks at one caption by itself."""


def length_bounds(candidate: Candidate, config: FilteringConfig) -> tuple[int, int]:
    """The shortest and longest that a caption of this job may be, in words or Han characters."""
    match candidate.job:
        case "single_en":
            return config.min_words_single, config.max_words_single
        case "single_zh":
            return config.min_han_single, config.max_han_single
        case "multi_en":
            return config.min_words_multi, config.max_words_multi
        case "multi_zh":
            return config.min_han_multi, config.max_han_multi
