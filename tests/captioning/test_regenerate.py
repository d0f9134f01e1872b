"""Unusable answers are asked for again, and the best one is kept."""

from __future__ import annotations

from collections.abc import Sequence

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.engine import GREEDY, CaptionRequest, Completion
from triptych.captioning.regenerate import AGAIN, Answer, ask
from triptych.languages import LANGUAGES
from triptych.prompts import Naming

GOOD_EN = "A red kite flies over a sandy beach, and two people in coats look up at it."
GOOD_ZH = "一只红色的风筝在沙滩上空飞翔,两个穿外套的人抬头看着它。"
ENGLISH = AnswerCheck(language=LANGUAGES["en"])


class ScriptedEngine:
    """An engine that gives these answers in order, and records the requests."""

    group_size = concurrency = slots = 1

    def __init__(self, *answers: Completion) -> None:
        self.identity: dict[str, str] = {}
        self.answers = list(answers)
        self.asked: list[CaptionRequest] = []

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        self.asked += requests
        return [self.answers.pop(0) for _ in requests]

    def slot_s(self) -> float:
        return 0.0

    def describe(self) -> str:
        return "scripted"

    def close(self) -> None:
        pass


REQUEST = CaptionRequest(id="single_en:a.jpg", prompt="Describe.", images=(b"12 tiles",), max_tokens=9)
SMALLER = CaptionRequest(id="single_en:a.jpg", prompt="Describe.", images=(b"6 tiles",), max_tokens=9)


def answered(text: str, finish_reason: str = "stop", **more: object) -> Completion:
    return Completion(id=REQUEST.id, text=text, finish_reason=finish_reason, **more)


def asked(*answers: Completion, times: int = 2) -> tuple[Answer, list[CaptionRequest]]:
    """The answer to REQUEST, and all requests that the engine got."""
    engine = ScriptedEngine(*answers)
    found = ask(engine, [REQUEST], ENGLISH, times, lambda request: SMALLER if request == REQUEST else None)
    return found[0], engine.asked


def test_a_usable_answer_is_not_asked_for_again() -> None:
    """One request, one answer."""
    answer, requests = asked(answered(GOOD_EN))

    assert ((), 1) == (answer.asked_again, len(requests))


def test_an_unusable_answer_is_asked_for_again_with_random_sampling() -> None:
    """With another seed each time, but the same seeds in every run."""
    answer, requests = asked(answered(""), answered("", "length", attempts=3), answered(GOOD_EN))
    _, once_more = asked(answered(""), answered(""), answered(GOOD_EN))

    assert (GOOD_EN, 5, ("empty", "empty")) == (
        answer.completion.text,
        answer.completion.attempts,
        answer.asked_again,
    )
    assert [GREEDY.temperature, AGAIN.temperature, AGAIN.temperature] == [
        r.sampling.temperature for r in requests
    ]
    assert 3 == len({request.sampling.seed for request in requests})
    assert requests == once_more


def test_tokens_of_discarded_answers_count() -> None:
    """They were paid for. The attempts count too."""
    answer, _ = asked(
        answered("", prompt_tokens=100, completion_tokens=3),
        answered(GOOD_EN, "length", prompt_tokens=100, completion_tokens=9),
        answered(GOOD_EN, prompt_tokens=100, completion_tokens=20),
    )
    completion = answer.completion

    assert (3, 300, 32) == (completion.attempts, completion.prompt_tokens, completion.completion_tokens)


def test_the_least_bad_of_unusable_answers_is_kept() -> None:
    """The filter judges it. The number of requests is bounded."""
    answer, requests = asked(answered(GOOD_ZH), answered(GOOD_EN, "length"), answered(""))

    assert (GOOD_EN, 3) == (answer.completion.text, len(requests))
    assert ("wrong language", "cut") == answer.asked_again


def test_an_answer_is_kept_if_asking_again_fails() -> None:
    """A cut caption is worth more than a failure."""
    answer, _ = asked(answered(GOOD_EN, "length"), Completion(id=REQUEST.id, failure="no answer: x"))

    assert (GOOD_EN, None) == (answer.completion.text, answer.completion.failure)


def test_a_request_that_is_too_long_is_sent_once_more_with_half_the_tiles() -> None:
    """The answer records it."""
    too_long = Completion(id=REQUEST.id, failure="too long: http://host, HTTP 400: ...")
    answer, requests = asked(too_long, answered(GOOD_EN))
    still_too_long, _ = asked(too_long, too_long)

    assert [REQUEST, SMALLER] == requests
    assert (GOOD_EN, 2, ("too long",)) == (
        answer.completion.text,
        answer.completion.attempts,
        answer.asked_again,
    )
    assert (too_long.failure, ("too long",)) == (
        still_too_long.completion.failure,
        still_too_long.asked_again,
    )


def test_a_caption_with_wrong_image_names_is_asked_for_again() -> None:
    """If no answer names the images correctly, the first is kept for the filter to judge."""
    check = AnswerCheck(language=LANGUAGES["en"], naming=Naming(label="Image-{number}", pattern=r"Image-\d+"))
    request = CaptionRequest(id="multi_en:s", prompt="Describe.", images=(b"one", b"two"), max_tokens=9)
    unnamed = answered("The first shows a pier at dawn, the second a boat.")
    named = answered("Image-1: a pier at dawn. Image-2: a boat.")
    too_many = answered("Image-1: a pier at dawn. Image-2: a boat. Image-3: a dog.")

    def answer(*texts: Completion) -> Answer:
        return ask(ScriptedEngine(*texts), [request], check, 2, lambda each: None)[0]

    assert (named.text, ("wrong image names",)) == _kept(answer(unnamed, named))
    assert (unnamed.text, ("wrong image names",) * 2) == _kept(answer(unnamed, too_many, unnamed))


def _kept(answer: Answer) -> tuple[str, tuple[str, ...]]:
    return answer.completion.text, answer.asked_again
