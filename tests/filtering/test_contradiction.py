"""What a set's caption says of all images, against what it says of one."""

from pathlib import Path

import msgspec
import pytest

from triptych.filtering.candidate import Candidate
from triptych.filtering.config import FilteringConfig
from triptych.filtering.contradiction import contradictions

EXAMPLES = [
    msgspec.json.decode(line)
    for line in (Path(__file__).parent / "labelled" / "contradictions.jsonl").read_bytes().splitlines()
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each['job']}-{each['text'][-40:]}")
def test_labelled_examples_are_told_apart(example) -> None:
    """In both languages: colours, numbers and absence; and what only looks like them."""
    candidate = Candidate(text=example["text"], job=example["job"], image_count=example["images"])

    assert example["contradicts"] == (contradictions(candidate) > 0)


@pytest.mark.parametrize("name", ["captions.jsonl", "held_out.jsonl", "second_held_out.jsonl"])
def test_captions_labelled_for_other_rules_hold_none(name: str) -> None:
    """Hundreds of captions of sets that were written without this rule in mind."""
    lines = (Path(__file__).parent / "labelled" / name).read_bytes().splitlines()
    captions = [msgspec.json.decode(line) for line in lines]
    sets = [each for each in captions if each["job"].startswith("multi")]
    flagged = [
        each["text"]
        for each in sets
        if contradictions(Candidate(text=each["text"], job=each["job"], image_count=each["images"]))
    ]

    assert sets
    assert [] == flagged


def test_each_image_that_contradicts_counts() -> None:
    """Two of three here."""
    text = (
        "Each image shows a red boat. Image 1 shows a red boat. Image 2 shows a blue boat. Image 3 shows"
        " a green boat."
    )

    assert 2.0 == contradictions(Candidate(text=text, job="multi_en", image_count=3))


def test_captions_of_one_image_are_left_alone() -> None:
    """They say nothing of several images."""
    text = "Both doors have a red lamp. Image 1 shows a blue lamp."

    assert 0.0 == contradictions(Candidate(text=text, job="single_en"))


def test_it_is_a_flag() -> None:
    """It keeps a score and drops nothing, unless the settings say so."""
    assert "contradiction" in FilteringConfig().flags
