"""How an unusable answer is asked again, and what is kept."""

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


class Scripted:
    """An engine that gives these answers, one after the other, and notes what it was asked."""

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


def said(text: str, finish_reason: str = "stop", **more: object) -> Completion:
    return Completion(id=REQUEST.id, text=text, finish_reason=finish_reason, **more)


def asked(*answers: Completion, times: int = 2) -> tuple[Answer, list[CaptionRequest]]:
    engine = Scripted(*answers)
    found = ask(engine, [REQUEST], ENGLISH, times, lambda request: SMALLER if request == REQUEST else None)
    return found[0], engine.asked


def test_a_usable_answer_is_not_asked_again() -> None:
    """One request, one answer."""
    answer, requests = asked(said(GOOD_EN))

    assert ((), 1) == (answer.asked_again, len(requests))


def test_an_unusable_answer_is_asked_again_with_other_sampling() -> None:
    """Another seed each time, the same ones in every run."""
    answer, requests = asked(said(""), said("", "length", attempts=3), said(GOOD_EN))
    _, once_more = asked(said(""), said(""), said(GOOD_EN))

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


def test_tokens_of_answers_that_were_not_taken_count() -> None:
    """They were paid for, as its attempts were."""
    answer, _ = asked(
        said("", prompt_tokens=100, completion_tokens=3),
        said(GOOD_EN, "length", prompt_tokens=100, completion_tokens=9),
        said(GOOD_EN, prompt_tokens=100, completion_tokens=20),
    )
    completion = answer.completion

    assert (3, 300, 32) == (completion.attempts, completion.prompt_tokens, completion.completion_tokens)


def test_of_unusable_answers_the_least_bad_is_kept() -> None:
    """For the filter to judge; the number of times is bounded."""
    answer, requests = asked(said(GOOD_ZH), said(GOOD_EN, "length"), said(""))

    assert (GOOD_EN, 3) == (answer.completion.text, len(requests))
    assert ("wrong language", "cut") == answer.asked_again


def test_an_answer_is_kept_where_asking_again_fails() -> None:
    """A cut caption is worth more than a failure."""
    answer, _ = asked(said(GOOD_EN, "length"), Completion(id=REQUEST.id, failure="no answer: x"))

    assert (GOOD_EN, None) == (answer.completion.text, answer.completion.failure)


def test_what_is_too_long_is_asked_once_with_half_the_tiles() -> None:
    """And recorded as such."""
    too_long = Completion(id=REQUEST.id, failure="too long: http://host, HTTP 400: ...")
    answer, requests = asked(too_long, said(GOOD_EN))
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


def test_a_set_that_is_not_named_as_asked_is_asked_again() -> None:
    """Where no answer keeps to the names, the first is kept: the filter judges it."""
    check = AnswerCheck(language=LANGUAGES["en"], naming=Naming(label="Image-{number}", pattern=r"Image-\d+"))
    request = CaptionRequest(id="multi_en:s", prompt="Describe.", images=(b"one", b"two"), max_tokens=9)
    unnamed = said("The first shows a pier at dawn, the second a boat.")
    named = said("Image-1: a pier at dawn. Image-2: a boat.")
    too_many = said("Image-1: a pier at dawn. Image-2: a boat. Image-3: a dog.")

    def answer(*texts: Completion) -> Answer:
        return ask(Scripted(*texts), [request], check, 2, lambda each: None)[0]

    assert (named.text, ("wrong image names",)) == _kept(answer(unnamed, named))
    assert (unnamed.text, ("wrong image names",) * 2) == _kept(answer(unnamed, too_many, unnamed))


def _kept(answer: Answer) -> tuple[str, tuple[str, ...]]:
    return answer.completion.text, answer.asked_again
