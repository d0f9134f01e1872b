"""The checker that ships with the package, asked as `triptych check` asks it, about unseen drawn scenes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal

import pytest

from scripts.nano.untruths import change_one_fact
from scripts.nano.wording import image_sentence
from tests.support.embedded_engine import embedded_engine
from triptych.captioning.canary.question import outcome
from triptych.captioning.canary.statements import statement_questions
from triptych.captioning.checking.questions import TOP_LOGPROBS
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.tiling import fit_to_tiles
from triptych.demo.painting import paint
from triptych.demo.scene import Scene, imagine_scene, vary_scene
from triptych.prompts.check_prompt import ASKED_IN, check_prompt

SIDE_PX = 112
FIRST_SCENE, PAIRS = 520_000, 10


@pytest.fixture(scope="module")
def checker() -> Iterator[TransformersEngine]:
    """The embedded checker, loaded."""
    with embedded_engine("nano-checker") as engine:
        yield engine


@pytest.mark.parametrize("language", ASKED_IN)
@pytest.mark.parametrize("kind", ["colour", "thing", "place"])
def test_an_untrue_statement_gets_a_lower_probability(
    checker: TransformersEngine, language: Literal["en", "zh"], kind: str
) -> None:
    """In nine of ten pairs. The statements about an image differ in one fact."""
    rng = Random(kind)
    requests = []
    for scene, other in _pairs(kind, rng):
        requests += [_asked(each, scene, language) for each in (scene, other)]

    chances = [_yes(language, each.first_tokens) for each in checker.caption(requests)]

    right = sum(true > untrue for true, untrue in zip(chances[::2], chances[1::2], strict=True))
    assert 0.9 * PAIRS <= right, chances


def test_it_passes_its_canary(checker: TransformersEngine) -> None:
    """It is asked the canary before it checks statements."""
    questions = statement_questions(SIDE_PX)

    answers = [checker.caption([question.request])[0] for question in questions]

    assert not outcome(questions, answers).wrong


def _pairs(kind: str, rng: Random) -> Iterator[tuple[Scene, Scene]]:
    number, found = FIRST_SCENE, 0
    while found < PAIRS:
        scene, number = imagine_scene("unseen", number), number + 1
        other = change_one_fact(scene, [scene, vary_scene(scene, "unseen", 0)], rng, kind)
        if other is not None:
            found += 1
            yield scene, other


def _asked(said_of: Scene, shown: Scene, language: Literal["en", "zh"]) -> CaptionRequest:
    name = "Image-1" if language == "en" else "图1"
    return CaptionRequest(
        id=language,
        prompt=check_prompt(language).question(image_sentence(said_of, 1, language), name),
        images=(fit_to_tiles(paint(shown, 336, 224), (1, 1), SIDE_PX),),
        max_tokens=8,
        top_logprobs=TOP_LOGPROBS,
    )


def _yes(language: str, first_tokens: dict[str, float]) -> float:
    chance = check_prompt(language).yes_probability(first_tokens)
    assert chance is not None
    return chance
