"""Sets composed of good captions of single images: all of it is seen, and an image too few, too."""

import random

import pytest

from tests.filtering.test_labelled import read_labelled
from triptych.filtering.candidate import Candidate
from triptych.filtering.images import missing_images, unknown_images
from triptych.records import JobName

LEAST_SEEN = 0.97
COMPOSED = 120
ENGLISH = (
    lambda at: f"Image {at}: ",
    lambda at: f"Image-{at} shows the following: ",
    lambda at: f"In the {('first', 'second', 'third', 'fourth', 'fifth')[at - 1]} image, ",
    lambda at: f"In the {('first', 'second', 'third', 'fourth', 'fifth')[at - 1]}, ",
    lambda at: f"In image {('one', 'two', 'three', 'four', 'five')[at - 1]}, ",
)
CHINESE = (
    lambda at: f"图{at}：",
    lambda at: f"图{'一二三四五'[at - 1]}中，",
    lambda at: f"第{'一二三四五'[at - 1]}张图片中，",
    lambda at: f"第{'一二三四五'[at - 1]}幅图：",
    lambda at: f"图像{at}展示了：",
)


def composed(job: JobName) -> list[tuple[str, int]]:
    """Captions of sets of two to five, each image's part a good caption of one image; and their number."""
    draw = random.Random(7)
    single: JobName = "single_en" if job == "multi_en" else "single_zh"
    parts = [c.text for c in read_labelled("captions.jsonl") if c.job == single and c.fault is None]
    styles = ENGLISH if job == "multi_en" else CHINESE
    texts = []
    for number in range(COMPOSED):
        lead, count = styles[number % len(styles)], draw.randint(2, 5)
        chosen = draw.sample(parts, count)
        texts.append((" ".join(lead(at) + part for at, part in enumerate(chosen, 1)), count))
    return texts


def candidate(text: str, job: JobName, images: int) -> Candidate:
    return Candidate(text=text, job=job, image_count=images)


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_every_image_of_a_composed_set_is_found(job: JobName) -> None:
    """Whatever is said of each image, none is missing and none is made up."""
    wrong = [
        text
        for text, count in composed(job)
        if missing_images(candidate(text, job, count)) or unknown_images(candidate(text, job, count))
    ]

    assert [] == wrong


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_an_image_that_is_left_out_is_missed(job: JobName) -> None:
    """ "One of them", "the other side" and "another table" don't stand for it."""
    seen = [missing_images(candidate(text, job, count + 1)) > 0 for text, count in composed(job)]

    assert sum(seen) >= LEAST_SEEN * len(seen)


@pytest.mark.parametrize("job", ["multi_en", "multi_zh"])
def test_an_image_that_is_not_there_is_seen(job: JobName) -> None:
    """An image beyond the set's last is named."""
    beyond = [(text, count) for text, count in composed(job) if count > 2]
    seen = [unknown_images(candidate(text, job, count - 1)) > 0 for text, count in beyond]

    assert sum(seen) >= LEAST_SEEN * len(seen)
