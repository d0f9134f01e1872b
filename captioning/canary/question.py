"""Questions with known answers about drawn pictures, and the outcome of a canary.

The pictures show a few large things on a plain background, drawn like the demo's scenes, and are always the
same.

Comes in: questions, an engine's answers. Goes out: how many are right; if too few are, the first wrong one.
Not its job: choosing questions (see captions and statements), asking (see watched_engine).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count

import msgspec

from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.thinking import without_thinking
from triptych.captioning.tiling import resized_jpeg, side_per_image
from triptych.demo.painting import paint
from triptych.demo.scene import PLACES, Scene, Thing, imagine_scene

MAX_THINGS = 3
"""Things in a picture: few enough to be large, so that any caption names them first."""

DRAWN_PX = 448
"""The side of a drawn picture."""

MIN_RIGHT_SHARE = 0.75
"""The share of each kind of question that has to be answered correctly. A model of two billion parameters is
expected to get nearly all; blind or random answers stay far below (see docs/measurements/canary.md)."""

ONLY_THOUGHTS = "it is still thinking when it has used up all tokens of an answer"


class Question(msgspec.Struct, frozen=True):
    """One request with a known answer."""

    kind: str
    """MIN_RIGHT_SHARE applies to each kind: images, sets, true statements, untrue statements."""
    request: CaptionRequest
    scenes: tuple[Scene, ...]
    """What its images show."""
    about: str
    """For messages: what was shown and asked."""
    expected: str
    is_right: Callable[[str], bool]


Canary = tuple[str, Callable[[], list[Question]]]
"""What is asked for, ``captions`` or ``statements``, and a function that makes the questions."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one canary at one endpoint."""

    right: int
    answered: int
    wrong: str
    """The first wrong answer of a kind with too few right ones, as a message. Empty: passed, or not
    judged."""
    silence: str
    """Why it can't be judged: less than half of a kind was answered. Empty: enough was."""
    prompt_tokens: int
    completion_tokens: int


def outcome(questions: Sequence[Question], completions: Sequence[Completion]) -> Outcome:
    """Judge ``completions``, one per question. Failures, and reasoning without an answer, aren't answers."""
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
        elif right < MIN_RIGHT_SHARE * len(answered) and not wrong:
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
    """Why a completion isn't an answer; empty if it is one."""
    only_thoughts = completion.text.strip() and not without_thinking(completion.text)
    return completion.failure or (ONLY_THOUGHTS if only_thoughts else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else f"{line[:160]}..."


def side_px(config: CaptioningConfig) -> int:
    """The side of a picture as it is sent: one tile."""
    return config.tile_px if config.tile_fit else min(DRAWN_PX, side_per_image(config.max_side_px, 2))


@lru_cache(maxsize=256)
def jpeg(scene: Scene, side_px: int) -> bytes:
    """A square picture of ``scene``."""
    return resized_jpeg(paint(scene, DRAWN_PX, DRAWN_PX), (side_px, side_px))


def clear_scenes() -> Iterator[Scene]:
    """Endless scenes of different things. No two in a row share a kind of thing."""
    before: set[str] = set()
    for index in count():
        scene = imagine_scene("unseen", index)
        kinds = {thing.kind for thing in scene.things}
        if len(kinds) == len(scene.things) <= MAX_THINGS and not kinds & before:
            yield scene
            before = kinds


def scene_to_count(theme: str, kind: str, colour: str, number: int) -> Scene:
    """A scene of 2 to 5 things that look the same."""
    return Scene(theme, tuple(Thing(kind, colour, place) for place in PLACES[number]), seed=number)
