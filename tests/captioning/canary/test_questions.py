"""Which answers pass a canary, and which faults it detects."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.support.seeing_model import (
    OfTheRequestBefore,
    SeeingModel,
    answers,
    blank,
    dropped,
    swapped,
)
from triptych.captioning.canary.captions import caption_questions
from triptych.captioning.canary.question import ONLY_THOUGHTS, Outcome, Question, outcome
from triptych.captioning.canary.statements import statement_questions
from triptych.captioning.engine import Completion
from triptych.jobs import SEED_JOBS, select_jobs

SIDE_PX = 56


@pytest.fixture(scope="module")
def captions() -> list[Question]:
    return caption_questions(SEED_JOBS, SIDE_PX)


@pytest.fixture(scope="module")
def statements() -> list[Question]:
    return statement_questions(SIDE_PX)


def judged(questions: list[Question], texts: list[str]) -> Outcome:
    completions = [Completion(id=q.request.id, text=text) for q, text in zip(questions, texts, strict=True)]
    return outcome(questions, completions)


def test_a_model_that_sees_answers_all_40_correctly(
    captions: list[Question], statements: list[Question]
) -> None:
    """Even in other words than the canary's own."""
    for questions in (captions, statements):
        found = judged(questions, answers(SeeingModel(questions, SIDE_PX), questions))
        assert (40, 40, "", "") == (found.right, found.answered, found.wrong, found.silence)


@pytest.mark.parametrize("fault", [dropped, blank, OfTheRequestBefore()])
def test_images_that_are_lost_or_of_another_request_are_detected(
    captions: list[Question], statements: list[Question], fault: Callable[..., tuple[bytes, ...]]
) -> None:
    """In captioners and in checkers."""
    for questions in (captions, statements):
        model = SeeingModel(questions, SIDE_PX)
        model.fault = fault
        assert judged(questions, answers(model, questions)).wrong


def test_images_of_a_set_in_the_wrong_order_are_detected(captions: list[Question]) -> None:
    """Even if all single images are right."""
    model = SeeingModel(captions, SIDE_PX)
    model.fault = swapped
    found = judged(captions, answers(model, captions))

    assert (26, 40) == (found.right, found.answered)
    assert found.wrong.startswith("only 0 of 14 answers on sets are right; of a set of a ")
    assert "it said 'Image-1: There is " in found.wrong


def test_confused_colours_are_detected(captions: list[Question]) -> None:
    """As if the red and blue channels were swapped: things are right, colours aren't."""
    turned = str.maketrans({})
    swaps = {
        "red": "blue",
        "blue": "red",
        "orange": "teal",
        "yellow": "cyan",
        "purple": "mauve",
        "pink": "lilac",
    }
    texts = [
        " ".join(swaps.get(word, word) for word in text.translate(turned).split(" "))
        for text in answers(SeeingModel(captions, SIDE_PX), captions)
    ]

    assert judged(captions, texts).wrong


def test_answers_of_a_blind_model_fail(captions: list[Question], statements: list[Question]) -> None:
    """One text for all questions, random words (20 times), and random yes or no (1,000 times)."""
    likely = (
        "The image shows a red car on the left, a blue house in the middle and a green tree under a blue sky."
    )
    assert judged(captions, [likely] * 40).wrong
    assert judged(statements, ["yes"] * 40).wrong
    assert judged(statements, ["no"] * 40).wrong
    assert judged(statements, ["unclear"] * 40).wrong
    rng = Random(7)
    words = [w for text in answers(SeeingModel(captions, SIDE_PX), captions) for w in text.split()]
    for _ in range(1000):
        assert judged(statements, [rng.choice(("yes", "no")) for _ in range(40)]).wrong
    for _ in range(20):
        assert judged(captions, [" ".join(rng.choices(words, k=30)) for _ in range(40)]).wrong


def test_a_fault_in_every_third_answer_is_detected(captions: list[Question]) -> None:
    """One in ten is not: it may be the model's own."""
    model = SeeingModel(captions, SIDE_PX)
    texts = answers(model, captions)

    assert judged(captions, ["A grey stone." if n % 3 == 0 else t for n, t in enumerate(texts)]).wrong
    assert not judged(captions, ["A grey stone." if n % 10 == 0 else t for n, t in enumerate(texts)]).wrong


def test_a_run_without_sets_gets_no_questions_about_sets() -> None:
    """Its endpoints may accept only one image per request."""
    questions = caption_questions(select_jobs(SEED_JOBS, ["single_en", "single_zh"]), SIDE_PX)

    assert (26, {1}) == (len(questions), {len(each.request.images) for each in questions})


def test_a_failure_is_not_a_wrong_answer(captions: list[Question]) -> None:
    """Half of the questions have to be answered for a verdict."""
    texts = answers(SeeingModel(captions, SIDE_PX), captions)
    for failed, says in ((10, ""), (30, "no answer: 503")):
        completions = [
            Completion(id=q.request.id, failure="no answer: 503")
            if number < failed
            else Completion(id=q.request.id, text=text)
            for number, (q, text) in enumerate(zip(captions, texts, strict=True))
        ]
        found = outcome(captions, completions)
        assert (40 - failed, "", says) == (found.right, found.wrong, found.silence)


def test_thoughts_before_an_answer_are_ignored(statements: list[Question]) -> None:
    texts = answers(SeeingModel(statements, SIDE_PX), statements)

    assert 40 == judged(statements, [f"<think>Is it? No.</think>{text}" for text in texts]).right
    assert ONLY_THOUGHTS == judged(statements, ["<think>I see a cat and"] * 40).silence
    assert 400 == statement_questions(SIDE_PX, 400)[0].request.max_tokens
