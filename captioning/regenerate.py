"""Asks an engine, and asks again if an answer is unusable.

Comes in: requests and an engine. Goes out: one answer per request. A request that is too long for the model
is sent once more with half its tiles. Unusable answers are asked for again a few times with random sampling,
whose seed is derived from the request's id, so that a run can be repeated. If no answer is usable, the least
bad one is kept for the filter to judge, of equally bad ones the first. Not its job: network and server errors
(see engines.openai_server).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

import msgspec

from triptych.captioning.answer_check import WORST_FIRST, AnswerCheck
from triptych.captioning.engine import CaptionRequest, Completion, Engine, Sampling
from triptych.captioning.thinking import THINKING_OFF, without_thinking

AGAIN = Sampling(temperature=0.7, top_k=40, repetition_penalty=1.05)
"""Random enough to leave a loop or a refusal, but not the picture. Chosen by judgement: not yet measured on a
real model."""

MAX_NGRAM_CHARS = 6
"""Of texts that are compared. Whitespace isn't counted."""

TOO_LONG = "too long"
EMPTY = "empty"
"""Classes of failures."""

Refit = Callable[[CaptionRequest], CaptionRequest | None]
"""The same request with half its tiles; None if that changes nothing."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The final answer to a request."""

    completion: Completion
    """With the attempts and tokens of all that was sent for this request."""
    asked_again: tuple[str, ...] = ()
    """The reason for each time it was asked again, in order."""
    samples: int = 1
    """The number of answers it was chosen from."""
    agreement: float | None = None
    """Its mean similarity to the other samples, in [0, 1]; None if there is no other text."""


def ask(
    engine: Engine,
    requests: Sequence[CaptionRequest],
    check: AnswerCheck,
    times: int,
    refit: Refit,
    samples: int = 1,
) -> list[Answer]:
    """One answer per request, in order. Asks again at most ``times`` for a usable text. Of several
    ``samples`` per request, the answer is the one that agrees most with the others (see agreements)."""
    if samples == 1:
        completions = engine.caption(requests)
        return [
            _settle(engine, request, completion, check, times, refit)
            for request, completion in zip(requests, completions, strict=True)
        ]
    by_sample = [[_sample(request, number) for request in requests] for number in range(samples)]
    if engine.group_size == 1:  # a server takes all samples at once
        made = iter(engine.caption([each for of_sample in by_sample for each in of_sample]))
        answered = [[next(made) for _ in of_sample] for of_sample in by_sample]
    else:
        answered = [engine.caption(of_sample) for of_sample in by_sample]
    answers = []
    for at, request in enumerate(requests):
        settled = [
            _settle(engine, by_sample[n][at], answered[n][at], check, times, _of_sample(refit, request, n))
            for n in range(samples)
        ]
        answers.append(_most_agreed(request, settled, check))
    return answers


def _most_agreed(request: CaptionRequest, answers: Sequence[Answer], check: AnswerCheck) -> Answer:
    """The usable text most similar to the others; of all texts if none is usable; of equals the first."""

    def is_usable(completion: Completion) -> bool:
        text, ended = completion.text, completion.finish_reason
        return check.defect_of_text(text, ended, len(request.images)) is None

    texts = [each.completion for each in answers if each.completion.failure is None]
    texts = list(filter(is_usable, texts)) or texts
    similarity = agreements([each.text for each in texts])
    best = texts[similarity.index(max(similarity))] if texts else answers[0].completion
    best = msgspec.structs.replace(best, id=request.id)
    return Answer(
        completion=_with_costs(best, [each.completion for each in answers]),
        asked_again=tuple(why for each in answers for why in each.asked_again),
        samples=len(answers),
        agreement=round(max(similarity), 4) if len(texts) > 1 else None,
    )


def _of_sample(refit: Refit, request: CaptionRequest, number: int) -> Refit:
    def smaller(_: CaptionRequest) -> CaptionRequest | None:
        found = refit(request)
        return None if found is None else _sample(found, number)

    return smaller


def _sample(request: CaptionRequest, number: int) -> CaptionRequest:
    """The request of a sample: the first unchanged, the others drawn with their own seeds. They have their
    own ids, because the seeds for asking again are derived from those."""
    if number == 0:
        return request
    drawn = AGAIN if request.sampling.temperature == 0 else request.sampling
    sampling = msgspec.structs.replace(drawn, seed=_seed(f"{request.id}\0sample {number}"))
    return msgspec.structs.replace(request, id=f"{request.id}~{number}", sampling=sampling)


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
    return Answer(completion=_with_costs(best, tried), asked_again=tuple(why))


def _with_costs(best: Completion, tried: Sequence[Completion]) -> Completion:
    """``best`` with the tokens and attempts of all."""
    return msgspec.structs.replace(
        best,
        prompt_tokens=sum(each.prompt_tokens for each in tried),
        completion_tokens=sum(each.completion_tokens for each in tried),
        attempts=sum(each.attempts for each in tried),
    )


def _best(tried: Sequence[Completion], check: AnswerCheck, image_count: int) -> Completion:
    """The least bad text; of equals the first. The last failure if there is no text."""

    def badness(completion: Completion) -> int:
        defect = check.defect(completion.text, completion.finish_reason, image_count)
        return 0 if defect is None else len(WORST_FIRST) - WORST_FIRST.index(defect)

    texts = [completion for completion in tried if completion.failure is None]
    return min(texts, key=badness) if len(texts) > 1 else (texts or tried)[-1]


def _as_caption(completion: Completion, check: AnswerCheck, image_count: int) -> Completion:
    """The completion with the final text. An answer without text, or not in its form, becomes a failure."""
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
    """The request of the ``number``-th time of asking again."""
    sampling = msgspec.structs.replace(AGAIN, seed=_seed(f"{request.id}\0{number}"))
    return msgspec.structs.replace(request, sampling=sampling)


def _seed(name: str) -> int:
    digest = hashlib.blake2b(name.encode(), digest_size=4).digest()
    return int.from_bytes(digest) & 0x7FFFFFFF


def agreements(texts: Sequence[str]) -> list[float]:
    """The mean similarity of each text to the others, in [0, 1].

    Similarity is an F1 score over character n-grams, as in chrF for translations (Popović 2015), so it works
    in any language. Choosing the text that is most similar to the others is minimum Bayes risk decoding
    (Kumar and Byrne 2004).

    >>> agreements(["a red boat", "a red boat", "a dog"])[0] > agreements(["a red boat", "a cat", "a dog"])[0]
    True
    """
    ngrams = [_ngrams(text) for text in texts]
    means = [0.0] * len(texts)
    for one, other in combinations(range(len(texts)), 2):
        share = _similarity(ngrams[one], ngrams[other]) / (len(texts) - 1)
        means[one] += share
        means[other] += share
    return means


def _ngrams(text: str) -> list[Counter[str]]:
    """The counts of n-grams, by their length."""
    letters = "".join(text.casefold().split())
    return [
        Counter(letters[at : at + size] for at in range(len(letters) - size + 1))
        for size in range(1, MAX_NGRAM_CHARS + 1)
    ]


def _similarity(one: Sequence[Counter[str]], other: Sequence[Counter[str]]) -> float:
    """The mean F1 over those n-gram lengths that occur in either text."""
    scores = [
        2 * (a & b).total() / (a.total() + b.total()) for a, b in zip(one, other, strict=True) if a or b
    ]
    return sum(scores) / len(scores) if scores else 1.0
