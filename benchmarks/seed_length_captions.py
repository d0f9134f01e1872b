"""Good captions of realistic length, for speed measurements.

Comes in: the good labelled captions. Goes out: captions of each job whose rows are on average as long as
those of InternVL-SA-1B-Caption (the seed): 1,040 and 830 bytes for one image, 1,990 and 1,580 for a set,
including prompt and JSON. Each starts from a labelled caption; sentences of other good captions in the same
language are inserted until a random length is reached. Not its job: captions that are true.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import msgspec

from tests.support.labelled_captions import read_labelled
from triptych.export.conversation_text import tagged_question
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts

JOBS = {job.name: job for job in SEED_JOBS}

SEED_BYTES_A_ROW: dict[str, int] = {
    "single_en": 1_040,
    "single_zh": 830,
    "multi_en": 1_990,
    "multi_zh": 1_580,
}
"""Size of the seed's files divided by their nominal number of captions."""

SHORTEST, LONGEST = 0.6, 1.4
"""Lengths are uniform between these multiples of the mean."""

_BETWEEN_SENTENCES = re.compile(r"(?<=[a-z]\.)\s+(?=[A-Z])|(?<=。)")
_MENTIONS_IMAGES = re.compile(r"image|picture|photo|scene|shot|图|张|照片|画面", re.IGNORECASE)


class SyntheticCaption(msgspec.Struct, frozen=True):
    """A good caption."""

    text: str
    job: str
    image_count: int


def make_captions(per_job: int) -> dict[str, list[SyntheticCaption]]:
    """``per_job`` captions of each job."""
    rng = random.Random(5)
    good = [row for row in read_labelled("captions") if row.fault is None and "\n" not in row.text]
    made: dict[str, list[SyntheticCaption]] = {}
    for job in JOBS:
        frames = [row for row in good if row.job == job]
        fillers = sorted(
            {
                sentence
                for row in good
                if not row.hard
                and JOBS[row.job].language == JOBS[job].language
                and not JOBS[row.job].is_multi
                for sentence in _BETWEEN_SENTENCES.split(row.text)
                if not _MENTIONS_IMAGES.search(sentence) and len(sentence) > 15
            }
        )
        room = [SEED_BYTES_A_ROW[job] - len(row_of(job, "", row.images)) for row in frames]
        made[job] = []
        for number in range(per_job):
            frame, mean = frames[number % len(frames)], room[number % len(frames)]
            target_bytes = round(mean * rng.uniform(SHORTEST, LONGEST))
            space = " " if JOBS[job].language == "en" else ""
            text = _lengthened(rng, frame.text, fillers, target_bytes, space)
            made[job].append(SyntheticCaption(text, job, frame.images))
    return made


def row_of(job: str, text: str, image_count: int) -> bytes:
    """The row of a caption in the seed's format."""
    keys = [f"sa_000{at:03d}/sa_1234{at:02d}.jpg" for at in range(image_count)]
    asked = tagged_question(load_prompts(SEED_JOBS)[job].text, image_count)
    sizes: dict[str, object] = {"image": keys[0], "width": 2250, "height": 1500}
    if JOBS[job].is_multi:
        sizes = {"image": keys, "width_list": [2250] * image_count, "height_list": [1500] * image_count}
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": text}]
    return msgspec.json.encode({"id": f"{job}:set_0123456789ab", **sizes, "conversations": turns})


def _lengthened(rng: random.Random, text: str, fillers: Sequence[str], target_bytes: int, space: str) -> str:
    parts = [part for part in _BETWEEN_SENTENCES.split(text) if part]
    others = [sentence for sentence in fillers if sentence not in text]
    for sentence in rng.sample(others, len(others)):
        if len(space.join(parts).encode()) + len(sentence.encode()) / 2 >= target_bytes:
            break
        parts.insert(rng.randint(1, len(parts)), sentence)
    return space.join(parts)
