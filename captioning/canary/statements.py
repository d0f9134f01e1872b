"""The canary of a checker: statements about drawn pictures, half of them true.

Comes in: the size of pictures. Goes out: 40 Questions, asked in the very words of `triptych check`. What is
untrue is so by far: other things in other colours, not a finer shade. Not its job: reading answers (see
prompts.questions).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice, pairwise
from typing import Literal

from triptych.captioning.canary.pictures import alike, clear_scenes, jpeg, side_px
from triptych.captioning.canary.question import Asks, Question
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.demo.scene import Scene
from triptych.prompts.questions import CheckPrompt, check_prompt

PICTURES = 18
"""Each is asked about twice."""

MAX_TOKENS = 8
"""Of an answer, at least."""

_WHERE = {"left": "On the left", "middle": "In the middle", "right": "On the right"}
_COUNTED = (("flower", "yellow", 2, "two"), ("mushroom", "red", 4, "four"))

Answer = Literal["yes", "no"]


def statements_on(config: CaptioningConfig) -> Asks:
    """What a checker is asked about, whose answers may be as long as the run's."""
    most = max(config.max_tokens_single, config.max_tokens_multi)
    return "statements", partial(statement_questions, side_px(config), most)


def statement_questions(side_px: int, max_tokens: int = MAX_TOKENS) -> list[Question]:
    """What is asked before statements are checked, in pictures of ``side_px``. ``max_tokens``: of an answer
    of the run's; who thinks first needs more."""
    prompt = check_prompt("en")
    return [
        Question(
            "true statements" if answer == "yes" else "untrue statements",
            CaptionRequest(
                id=f"canary-{number}",
                prompt=prompt.asked(statement),
                images=(jpeg(scene, side_px),),
                max_tokens=max(max_tokens, MAX_TOKENS),
            ),
            (scene,),
            f"{statement!r}, which is {'true' if answer == 'yes' else 'untrue'},",
            answer,
            partial(_says, prompt, answer),
        )
        for number, (scene, statement, answer) in enumerate(_asked(), 1)
    ]


def _asked() -> Iterator[tuple[Scene, str, Answer]]:
    """A statement on a place of the picture, and one that is true of another picture."""
    scenes = list(islice(clear_scenes(), PICTURES + 1))
    for number, (scene, other) in enumerate(pairwise(scenes)):
        yield scene, _on_place(scene, number), "yes"
        yield scene, _on_place(other, number), "no"
    for kind, colour, count, word in _COUNTED:
        yield alike("meadow", kind, colour, count), f"There are {word} {colour} {kind}s.", "yes"
        yield alike("meadow", kind, colour, 7 - count), f"There are {word} {colour} {kind}s.", "no"


def _on_place(scene: Scene, number: int) -> str:
    thing = scene.things[number % len(scene.things)]
    article = "an" if thing.colour[0] in "aeiou" else "a"
    return f"{_WHERE[thing.place]} is {article} {thing.colour} {thing.kind}."


def _says(prompt: CheckPrompt, answer: Answer, text: str) -> bool:
    return prompt.word(text) == answer
