"""The rules: what each measures on a caption, and the bound beyond which it drops.

Comes in: a candidate. Goes out: a score; the bound makes keep or drop of it. A new rule is a function
in the file of its family, a name in ``config.RuleName`` with its bound in ``config.FilteringConfig``,
and a line here. A measure never raises, whatever the text. Beside a measure there may be a screen, which
tells the scores of a whole block of captions where that takes little, and LOOK where the measure has to
look: it saves time and changes nothing. Not its job: what several captions say together (see
duplicates), the order of rules (see config).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.filtering.agreement import disagreement
from triptych.filtering.block import Block
from triptych.filtering.candidate import Candidate
from triptych.filtering.completeness import length, screen_length, screen_truncation, truncation
from triptych.filtering.config import FilteringConfig, RuleName
from triptych.filtering.contradiction import contradictions, screen_contradictions
from triptych.filtering.garbled import garbling, personal_data, screen_garbling, screen_personal_data
from triptych.filtering.images import missing_images, screen_images, unknown_images
from triptych.filtering.language import foreign_share, screen_foreign_share
from triptych.filtering.layout import markup, paragraphs, screen_markup, screen_paragraphs
from triptych.filtering.repetition import repetition
from triptych.filtering.repetition_screen import screen_repetition
from triptych.filtering.speculation import hedges, screen_hedges
from triptych.filtering.traditional import screen_traditional_share, traditional_share
from triptych.filtering.voice import prompt_leaks, screen_prompt_leaks, screen_self_talk, self_talk
from triptych.records import JobName, is_multi, language_of

Measure = Callable[[Candidate], float]
Screen = Callable[[Block], NDArray[np.float64]]


class Rule(NamedTuple):
    """One rule that looks at one caption. It drops where the score is beyond the bound of the job."""

    measure: Measure
    bound: Callable[[FilteringConfig, JobName], float]
    screen: Screen | None = None
    """Without one, the measure looks at every caption."""
    drops: Literal["above", "below"] = "above"

    def is_beyond(self, score: float, bound: float) -> bool:
        """Whether this rule drops a caption with ``score``."""
        return score < bound if self.drops == "below" else score > bound


def _grounding_rank(candidate: Candidate) -> float:
    return candidate.grounding_rank if candidate.grounding_rank is not None else 0.0


def _shortest(config: FilteringConfig, job: JobName) -> float:
    return getattr(config, f"min_{_UNIT[language_of(job)]}_{_kind(job)}")  # type: ignore[no-any-return]


def _longest(config: FilteringConfig, job: JobName) -> float:
    return getattr(config, f"max_{_UNIT[language_of(job)]}_{_kind(job)}")  # type: ignore[no-any-return]


def _kind(job: JobName) -> str:
    return "multi" if is_multi(job) else "single"


_UNIT = {"en": "words", "zh": "han"}

RULES: Mapping[RuleName, Rule] = {
    "garbled": Rule(garbling, lambda config, job: config.max_garbled, screen_garbling),
    "refusal": Rule(self_talk, lambda config, job: config.max_self_talk, screen_self_talk),
    "prompt_leak": Rule(prompt_leaks, lambda config, job: config.max_prompt_leaks, screen_prompt_leaks),
    "wrong_language": Rule(
        foreign_share,
        lambda config, job: (
            config.max_foreign_share_zh if language_of(job) == "zh" else config.max_foreign_share_en
        ),
        screen_foreign_share,
    ),
    "traditional": Rule(
        traditional_share, lambda config, job: config.max_traditional_share, screen_traditional_share
    ),
    "truncated": Rule(truncation, lambda config, job: 0.0, screen_truncation),
    "too_short": Rule(length, _shortest, screen_length, drops="below"),
    "too_long": Rule(length, _longest, screen_length),
    "repeated": Rule(repetition, lambda config, job: config.max_repeated_share, screen_repetition),
    "multi_paragraph": Rule(paragraphs, lambda config, job: config.max_paragraphs, screen_paragraphs),
    "markup": Rule(markup, lambda config, job: 0.0, screen_markup),
    "speculation": Rule(
        hedges,
        lambda config, job: config.max_hedges_multi if is_multi(job) else config.max_hedges_single,
        screen_hedges,
    ),
    "unknown_image": Rule(unknown_images, lambda config, job: 0.0, screen_images),
    "missing_image": Rule(missing_images, lambda config, job: config.max_missing_images, screen_images),
    "ungrounded": Rule(
        _grounding_rank,
        lambda config, job: (
            config.max_grounding_rank_multi if is_multi(job) else config.max_grounding_rank_single
        ),
    ),
    "personal_data": Rule(personal_data, lambda config, job: config.max_personal_data, screen_personal_data),
    "disagreement": Rule(disagreement, lambda config, job: config.max_disagreements),
    "contradiction": Rule(
        contradictions, lambda config, job: config.max_contradictions, screen_contradictions
    ),
}
"""Every rule that looks at one caption by itself; the other two compare captions (see duplicates)."""
