"""The canary of a checker: statements about drawn pictures, half of them true.

Comes in: the size of pictures. Goes out: 40 Questions, with the prompt of `triptych check`. Untrue statements
are clearly untrue: they name other things in other colours. Not its job: reading answers (see
prompts.check_prompt).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice, pairwise
from typing import Literal

from triptych.captioning.canary.question import Canary, Question, clear_scenes, jpeg, scene_to_count, side_px
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.demo.scene import Scene
from triptych.prompts.check_prompt import CheckPrompt, check_prompt

PICTURES = 18
"""Each has two statements."""

MIN_MAX_TOKENS = 8
"""The least limit on the tokens of an answer."""

_WHERE = {"left": "On the left", "middle": "In the middle", "right": "On the right"}
_COUNTED = (("flower", "yellow", 2, "two"), ("mushroom", "red", 4, "four"))

Answer = Literal["yes", "no"]


def statement_canary(config: CaptioningConfig) -> Canary:
    """The canary of engines that check statements. Answers may be as long as the run's."""
    max_tokens = max(config.max_tokens_single, config.max_tokens_multi)
    return "statements", partial(statement_questions, side_px(config), max_tokens)


def statement_questions(side_px: int, max_tokens: int = MIN_MAX_TOKENS) -> list[Question]:
    """Questions about pictures of ``side_px``."""
    prompt = check_prompt("en")
    return [
        Question(
            "true statements" if answer == "yes" else "untrue statements",
            CaptionRequest(
                id=f"canary-{number}",
                prompt=prompt.question(statement),
                images=(jpeg(scene, side_px),),
                max_tokens=max(max_tokens, MIN_MAX_TOKENS),
            ),
            (scene,),
            f"{statement!r}, which is {'true' if answer == 'yes' else 'untrue'},",
            answer,
            partial(_says, prompt, answer),
        )
        for number, (scene, statement, answer) in enumerate(_asked(), 1)
    ]


def _asked() -> Iterator[tuple[Scene, str, Answer]]:
    """For each picture a true statement on one place in it, and one that is true of the next picture."""
    scenes = list(islice(clear_scenes(), PICTURES + 1))
    for number, (scene, other) in enumerate(pairwise(scenes)):
        yield scene, _on_place(scene, number), "yes"
        yield scene, _on_place(other, number), "no"
    for kind, colour, count, word in _COUNTED:
        yield scene_to_count("meadow", kind, colour, count), f"There are {word} {colour} {kind}s.", "yes"
        yield scene_to_count("meadow", kind, colour, 7 - count), f"There are {word} {colour} {kind}s.", "no"


def _on_place(scene: Scene, number: int) -> str:
    thing = scene.things[number % len(scene.things)]
    article = "an" if thing.colour[0] in "aeiou" else "a"
    return f"{_WHERE[thing.place]} is {article} {thing.colour} {thing.kind}."


def _says(prompt: CheckPrompt, answer: Answer, text: str) -> bool:
    return prompt.parse_answer(text) == answer
