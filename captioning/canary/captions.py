"""The canary of a captioner: captions of drawn pictures and sets, which have to name what is in them.

Comes in: the jobs of a run. Goes out: 40 Questions. A model that was trained to caption may be able to do
nothing else, so they are asked like a run's, with English prompts that ship with Triptych. An answer on one
picture is right if it names half of the things in their colours; on a set, if the text on each image fits it
better than the other image. Not its job: reading captions (see reading).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

import msgspec

from triptych.captioning.canary.question import Canary, Question, clear_scenes, jpeg, scene_to_count
from triptych.captioning.canary.reading import counts, named_share, part_on
from triptych.captioning.engine import CaptionRequest
from triptych.demo.scene import Scene
from triptych.jobs import SEED_JOBS, Job, select_jobs
from triptych.prompts import BUILTIN, load_prompt

IMAGES, SETS = 22, 14
"""Four more images show things to count."""

_TO_COUNT = (("meadow", "flower", "yellow", 3), ("street", "car", "red", 2), ("beach", "crab", "orange", 4),
          ("meadow", "mushroom", "red", 2))  # fmt: skip

MAX_TOKENS = 160
"""Per image of a caption. Enough to name its things, which come first."""


def caption_canary(jobs: Sequence[Job], side_px: int) -> Canary:
    """The canary of engines that caption ``jobs``."""
    return "captions", partial(caption_questions, jobs, side_px)


def caption_questions(jobs: Sequence[Job], side_px: int) -> list[Question]:
    """Questions about pictures of ``side_px``; also about sets, if one of ``jobs`` is on sets."""
    scenes = list(islice(clear_scenes(), IMAGES + 2 * SETS))
    words, numbers = load_prompt(select_jobs(SEED_JOBS, ["single_en"])[0]).text, itertools.count(1)

    def question(
        kind: str,
        words: str,
        shown: tuple[Scene, ...],
        about: str,
        expected: str,
        is_right: Callable[[str], bool],
    ) -> Question:
        request = CaptionRequest(
            id=f"canary-{next(numbers)}",
            prompt=words,
            images=tuple(jpeg(scene, side_px) for scene in shown),
            max_tokens=MAX_TOKENS * len(shown),
        )
        return Question(kind, request, shown, about, expected, is_right)

    found = [
        question("images", words, (each,), f"a picture of {_things(each)}", "these", partial(_is_seen, each))
        for each in scenes[:IMAGES]
    ]
    for theme, kind, colour, count in _TO_COUNT:
        shown, about = (scene_to_count(theme, kind, colour, count),), f"a picture of {count} {colour} {kind}s"
        found.append(
            question("images", words, shown, about, str(count), partial(counts, kind=kind, number=count))
        )
    if any(job.is_multi for job in jobs):
        words = _prompt_on_sets(jobs)
        for pair in zip(scenes[IMAGES::2], scenes[IMAGES + 1 :: 2], strict=True):
            about = f"a set of {_things(pair[0])} (1) and {_things(pair[1])} (2)"
            found.append(question("sets", words, pair, about, "these, in order", partial(_in_order, pair)))
    return found


def _prompt_on_sets(jobs: Sequence[Job]) -> str:
    """An English prompt on sets that ships with Triptych, if possible that of the run."""
    prompts = [job.prompt for job in jobs if job.is_multi and job.language == "en"]
    shipped = next((each for each in prompts if each is None or each.startswith(BUILTIN)), None)
    job = msgspec.structs.replace(select_jobs(SEED_JOBS, ["multi_en"])[0], prompt=shipped)
    return load_prompt(job).text


def _things(scene: Scene) -> str:
    return ", ".join(f"a {thing.colour} {thing.kind}" for thing in scene.things)


def _is_seen(scene: Scene, text: str) -> bool:
    return named_share(text, scene) >= 0.5


def _in_order(pair: tuple[Scene, Scene], text: str) -> bool:
    """Whether the text on each image fits it better than the other image."""
    parts = [part_on(text, number) for number in (1, 2)]
    own = [named_share(part, scene) for part, scene in zip(parts, pair, strict=True)]
    others = [named_share(part, scene) for part, scene in zip(parts, reversed(pair), strict=True)]
    return all(one > other for one, other in zip(own, others, strict=True))
