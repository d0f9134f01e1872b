"""A question with a known answer, and what a canary's answers come to.

Comes in: questions, an engine's answers. Goes out: how many are right, and the first that is wrong where they
are too few. Not its job: what is asked (see captions and statements), whom and when (see watched_engine).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.thinking import without_thinking
from triptych.demo.scene import Scene

BOUND = 0.75
"""Of each kind of question at least so many are to be answered rightly. A model of two billion parameters is
expected to get nearly all; blind or random answers stay far below (see docs/measurements/canary.md)."""


ONLY_THOUGHTS = "it still thinks when the tokens of an answer are spent"


class Question(msgspec.Struct, frozen=True):
    """One request."""

    kind: str
    """Questions of a kind fail together: images, sets, true, untrue."""
    request: CaptionRequest
    scenes: tuple[Scene, ...]
    """What its images show."""
    about: str
    """For a person: what was shown, and what was asked."""
    expected: str
    is_right: Callable[[str], bool]


Asks = tuple[str, Callable[[], list[Question]]]
"""What is asked for, ``captions`` or ``statements``, and the questions."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Of one canary at one endpoint."""

    right: int
    answered: int
    wrong: str
    """In words: the first wrong answer of a kind with too few right ones. Empty where there are enough."""
    silence: str
    """In words: why it says nothing. Empty where at least half of each kind was answered."""
    prompt_tokens: int
    completion_tokens: int


def outcome(questions: Sequence[Question], completions: Sequence[Completion]) -> Outcome:
    """What ``completions`` of ``questions``, in order, come to. Failures and thoughts are no answers."""
    answers = list(zip(questions, completions, strict=True))
    wrong = silence = ""
    total = 0
    for kind in dict.fromkeys(question.kind for question in questions):
        of_kind = [(q, c) for q, c in answers if q.kind == kind]
        answered = [(q, without_thinking(c.text)) for q, c in of_kind if not _why_silent(c)]
        false = [(q, text) for q, text in answered if not q.is_right(text)]
        total += (right := len(answered) - len(false))
        if 2 * len(answered) < len(of_kind):
            silence = silence or next(filter(None, (_why_silent(c) for _, c in of_kind)))
        elif right < BOUND * len(answered) and not wrong:
            question, text = false[0]
            wrong = (
                f"only {right} of {len(answered)} answers on {kind} are right; of {question.about} it said"
                f" {_short(text)!r}, expected {question.expected}"
            )
    return Outcome(
        right=total,
        answered=sum(not _why_silent(c) for c in completions),
        wrong=wrong,
        silence="" if wrong else silence,
        prompt_tokens=sum(c.prompt_tokens for c in completions),
        completion_tokens=sum(c.completion_tokens for c in completions),
    )


def _why_silent(completion: Completion) -> str:
    """Why it is no answer; empty where it is one."""
    only_thoughts = completion.text.strip() and not without_thinking(completion.text)
    return completion.failure or (ONLY_THOUGHTS if only_thoughts else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:160]}..."
