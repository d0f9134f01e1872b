"""Screens: what they say of a block is what each rule says of each caption by itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.filter_worst import PIECES
from tests.filtering.test_labelled import LABELLED, Labelled, read_labelled
from triptych.filtering.block import CHARACTERS, chunks_of
from triptych.filtering.candidate import Candidate
from triptych.filtering.config import RULE_NAMES, FilteringConfig
from triptych.filtering.judge import Judge
from triptych.records import JOB_NAMES, JobName

EVERY_SCORE = FilteringConfig(
    rules=tuple(name for name in RULE_NAMES if name != "too_short"),  # which measures what too_long does
    min_words_single=0,
    min_words_multi=0,
    min_han_single=0,
    min_han_multi=0,
    max_words_single=0,
    max_words_multi=0,
    max_han_single=0,
    max_han_multi=0,
    max_repeated_share=0.0,
    max_foreign_share_en=0.0,
    max_foreign_share_zh=0.0,
    max_traditional_share=0.0,
    max_hedges_single=0.0,
    max_hedges_multi=0.0,
    max_paragraphs=0,
)
"""Whatever isn't zero is beyond its bound."""


def candidate(caption: Labelled) -> Candidate:
    return Candidate(
        text=caption.text, job=caption.job, image_count=caption.images, finish_reason=caption.finish_reason
    )


def alone(captions: list[Candidate]) -> list[dict[str, float]]:
    """What the measures say, without any screen."""
    judge = Judge(EVERY_SCORE)
    scores = [judge.all_scores(each) for each in captions]
    return [{name: score for name, score in each.items() if score > 0} for each in scores]


def together(captions: list[Candidate]) -> list[dict[str, float]]:
    """What the judge says of them in one block."""
    judge = Judge(EVERY_SCORE)
    return judge.scores_of_block(judge.block(captions), captions) if captions else []


@pytest.mark.parametrize(
    "name", ["captions.jsonl", *sorted(path.name for path in LABELLED.glob("*held_out.jsonl"))]
)
@pytest.mark.parametrize("job", JOB_NAMES)
def test_a_block_scores_labelled_captions_as_each_by_itself(job: JobName, name: str) -> None:
    """Every score of every rule, good and bad captions."""
    captions = [each for each in read_labelled(name) if each.job == job]

    assert alone([*map(candidate, captions)]) == together([*map(candidate, captions)])


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    texts=st.lists(
        st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=40).map("".join)
        | st.tuples(st.sampled_from(PIECES), st.integers(1, 30)).map(lambda both: both[0] * both[1]),
        min_size=1,
        max_size=6,
    ),
    job=st.sampled_from(JOB_NAMES),
    images=st.integers(1, 4),
)
def test_a_block_scores_any_texts_as_each_by_itself(texts: list[str], job: JobName, images: int) -> None:
    """Whatever stands beside them."""
    first, second = ([Candidate(text=text, job=job, image_count=images) for text in texts] for _ in "12")

    assert alone(first) == together(second)


def test_chunks_are_of_one_job_and_a_bounded_size_in_order() -> None:
    """A text that is longer than a chunk is one by itself."""
    texts = ["a" * (CHARACTERS // 3), "a" * 5, "a" * (2 * CHARACTERS), "a", "a"]
    jobs: list[JobName] = ["single_en", "single_zh", "single_en", "single_en", "single_zh"]
    captions = [Candidate(text=text, job=job) for text, job in zip(texts, jobs, strict=True)]

    assert [[0], [2], [3], [1, 4]] == list(chunks_of(captions))
