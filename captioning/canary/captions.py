"""The canary of a captioner: captions of drawn pictures and sets, which have to name what is in them.

Comes in: the prompts that a run asks. Goes out: 40 Questions. They are asked as a run asks, because a model
that was trained to caption may be able to do nothing else: in English, with the shipped prompts. A picture is
seen if half of its things are named in their colours; images of a set are in order if what is said of each
fits it better than the other. Not its job: reading captions (see reading).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

import msgspec

from triptych.captioning.canary.pictures import alike, clear_scenes, jpeg, pairs
from triptych.captioning.canary.question import Asks, Question
from triptych.captioning.canary.reading import counts, named_share, part_on
from triptych.captioning.engine import CaptionRequest
from triptych.demo.scene import Scene
from triptych.jobs import SEED_JOBS, Job, named
from triptych.prompts import BUILTIN, load_prompt

IMAGES, SETS = 22, 14
"""And four to be counted."""

_ALIKE = (("meadow", "flower", "yellow", 3), ("street", "car", "red", 2), ("beach", "crab", "orange", 4),
          ("meadow", "mushroom", "red", 2))  # fmt: skip

MAX_TOKENS = 160
"""Of a caption, times its images: things are named first."""


def captions_of(jobs: Sequence[Job], side_px: int) -> Asks:
    """What a captioner is asked for."""
    return "captions", partial(caption_questions, jobs, side_px)


def caption_questions(jobs: Sequence[Job], side_px: int) -> list[Question]:
    """What is asked before captions of ``jobs`` are made, in pictures of ``side_px``. Sets are asked about
    where one of the jobs is on sets."""
    scenes = list(islice(clear_scenes(), IMAGES + 2 * SETS))
    words, numbers = load_prompt(named(SEED_JOBS, ["single_en"])[0]).text, itertools.count(1)

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
    for theme, kind, colour, count in _ALIKE:
        shown, about = (alike(theme, kind, colour, count),), f"a picture of {count} {colour} {kind}s"
        found.append(
            question("images", words, shown, about, str(count), partial(counts, kind=kind, number=count))
        )
    if any(job.is_multi for job in jobs):
        words = _words_on_sets(jobs)
        for pair in pairs(scenes[IMAGES:]):
            about = f"a set of {_things(pair[0])} (1) and {_things(pair[1])} (2)"
            found.append(question("sets", words, pair, about, "these, in order", partial(_in_order, pair)))
    return found


def _words_on_sets(jobs: Sequence[Job]) -> str:
    """Of the run's own prompts the one that ships; people's may ask for anything."""
    own = next((j for j in jobs if j.is_multi and j.language == "en" and _ships(j)), None)
    asked = msgspec.structs.replace(named(SEED_JOBS, ["multi_en"])[0], prompt=own and own.prompt)
    return load_prompt(asked).text


def _ships(job: Job) -> bool:
    return job.prompt is None or job.prompt.startswith(BUILTIN)


def _things(scene: Scene) -> str:
    return ", ".join(f"a {thing.colour} {thing.kind}" for thing in scene.things)


def _is_seen(scene: Scene, text: str) -> bool:
    return named_share(text, scene) >= 0.5


def _in_order(pair: tuple[Scene, Scene], text: str) -> bool:
    """Each is named more in its own part than the other is."""
    parts = [part_on(text, number) for number in (1, 2)]
    own = [named_share(part, scene) for part, scene in zip(parts, pair, strict=True)]
    others = [named_share(part, scene) for part, scene in zip(parts, reversed(pair), strict=True)]
    return all(one > other for one, other in zip(own, others, strict=True))
