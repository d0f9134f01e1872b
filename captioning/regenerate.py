"""Asks an engine, and asks again where the first answer is of no use.

Comes in: requests and an engine. Goes out: an answer each. What is too long for the model is asked once
more with half its tiles. What is plainly unusable is asked again a few times with another seed and
livelier sampling, both derived from the request's id, so that a run can be repeated. If none is usable,
the least bad answer is kept for the filter to judge, of equally bad ones the first. Not its job: faults
on the way to an endpoint (see server_engine).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import msgspec

from triptych.captioning.answer_check import WORST_FIRST, AnswerCheck
from triptych.captioning.engine import CaptionRequest, Completion, Engine, Sampling
from triptych.captioning.thinking import THINKING_OFF, without_thinking

AGAIN = Sampling(temperature=0.7, top_k=40, repetition_penalty=1.05)
"""Lively enough to leave a loop or a refusal, tame enough to stay with the picture. Chosen by judgement:
not yet measured on a real model."""

TOO_LONG = "too long"
EMPTY = "empty"
"""How a failure begins."""

Refit = Callable[[CaptionRequest], CaptionRequest | None]
"""The same request with half its tiles; None where there are no fewer."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request in the end. ``completion.attempts`` counts all that was sent for it."""

    completion: Completion
    asked_again: tuple[str, ...] = ()
    """Why, each time, in order."""


def ask(
    engine: Engine, requests: Sequence[CaptionRequest], check: AnswerCheck, times: int, refit: Refit
) -> list[Answer]:
    """One answer a request, in order. Asks again at most ``times`` for a usable text."""
    completions = engine.caption(requests)
    return [
        _settle(engine, request, completion, check, times, refit)
        for request, completion in zip(requests, completions, strict=True)
    ]


def _settle(
    engine: Engine, request: CaptionRequest, first: Completion, check: AnswerCheck, times: int, refit: Refit
) -> Answer:
    why: list[str] = []
    tried = [first]
    if first.failure is not None and first.failure.startswith(f"{TOO_LONG}:"):
        smaller = refit(request)
        if smaller is not None:
            why.append(TOO_LONG)
            request = smaller
            tried.append(engine.caption([request])[0])
    image_count = len(request.images)
    for number in range(1, times + 1):
        last = tried[-1]
        defect = check.defect(last.text, last.finish_reason, image_count) if last.failure is None else None
        if defect is None:
            break
        why.append(defect)
        tried.append(engine.caption([_vary(request, number)])[0])
    best = _as_caption(_best(tried, check, image_count), check, image_count)
    attempts = sum(completion.attempts for completion in tried)
    return Answer(completion=msgspec.structs.replace(best, attempts=attempts), asked_again=tuple(why))


def _best(tried: Sequence[Completion], check: AnswerCheck, image_count: int) -> Completion:
    """Usable before cut, loop, ... and a text before a failure; of equals the first."""

    def badness(completion: Completion) -> int:
        defect = check.defect(completion.text, completion.finish_reason, image_count)
        return 0 if defect is None else len(WORST_FIRST) - WORST_FIRST.index(defect)

    texts = [completion for completion in tried if completion.failure is None]
    return min(texts, key=badness) if len(texts) > 1 else (texts or tried)[-1]


def _as_caption(completion: Completion, check: AnswerCheck, image_count: int) -> Completion:
    """With the text that is written down. An answer without a text, or not in the form it was asked in, is a
    failure."""
    if completion.failure is not None:
        return completion
    text = check.text_of(completion.text, image_count)
    if text is not None and _is_visible(text):
        return msgspec.structs.replace(completion, text=text)
    said = without_thinking(completion.text)
    if _is_visible(said):
        failure = f"wrong form: {said[:80]!r} is no JSON with {image_count} images and what they share"
    elif _is_visible(completion.text):
        failure = f"{EMPTY}: the answer is what the model thinks and no more; turn that off ({THINKING_OFF})"
    else:
        failure = f"{EMPTY}: the answer has no text"
    return msgspec.structs.replace(completion, text="", failure=failure)


def _is_visible(text: str) -> bool:
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def _vary(request: CaptionRequest, number: int) -> CaptionRequest:
    digest = hashlib.blake2b(f"{request.id}\0{number}".encode(), digest_size=4).digest()
    seed = int.from_bytes(digest) & 0x7FFFFFFF
    return msgspec.structs.replace(request, sampling=msgspec.structs.replace(AGAIN, seed=seed))
