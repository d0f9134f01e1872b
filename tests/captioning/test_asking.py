"""What is plainly unusable, how it is asked again, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from triptych.captioning.answer_check import find_fault
from triptych.captioning.engine import GREEDY, CaptionRequest, Completion
from triptych.captioning.regenerate import AGAIN, Answer, ask
from triptych.records import Language

GOOD_EN = "A red kite flies over a sandy beach, and two people in coats look up at it."
GOOD_ZH = "一只红色的风筝在沙滩上空飞翔,两个穿外套的人抬头看着它。"
LABELLED = Path(__file__).parents[1] / "filtering" / "labelled" / "captions.jsonl"


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
    found = ask(engine, [REQUEST], "en", times, lambda request: SMALLER if request == REQUEST else None)
    return found[0], engine.asked


@pytest.mark.parametrize(
    ("text", "finish_reason", "language", "fault"),
    [
        (GOOD_EN, "stop", "en", None),
        (GOOD_ZH, "stop", "zh", None),
        (GOOD_EN, "length", "en", "cut"),
        (" \n.", "stop", "en", "empty"),
        ("I'm sorry, but I can't help with that.", "stop", "en", "refusal"),
        ("很抱歉,我无法描述这张图片。", "stop", "zh", "refusal"),
        (GOOD_ZH, "stop", "en", "wrong language"),
        (GOOD_EN, "stop", "zh", "wrong language"),
        ("A shop with a sign that says 大吉 hangs over the street.", "stop", "en", None),
        ("A beach with" + " a red kite and" * 30, "length", "en", "loop"),
        ("沙滩上有红色的风筝," * 12, "length", "zh", "loop"),
        ("A red kite flies over the beach. " * 3 + "People look.", "stop", "en", "loop"),
    ],
)
def test_only_what_nobody_wants_is_unusable(
    text: str, finish_reason: str, language: Language, fault: str | None
) -> None:
    """The worst fault is named."""
    assert fault == find_fault(text, finish_reason, language)


def test_good_captions_are_hardly_ever_called_unusable() -> None:
    """On the filter's labelled captions that are to be kept: none."""
    rows = [json.loads(line) for line in LABELLED.read_text("utf-8").splitlines()]
    good = [row for row in rows if row["id"].startswith("good-")]

    found = [row["text"] for row in good if find_fault(row["text"], "stop", row["job"][-2:]) is not None]

    assert len(good) > 50
    assert [] == found


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
