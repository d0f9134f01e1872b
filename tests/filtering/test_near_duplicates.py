"""Captions that repeat an earlier one."""

from pathlib import Path

import pytest

from tests.support.contexts import filter_jobs_of
from triptych.executors.local import LocalExecutor
from triptych.filtering.config import FilteringConfig
from triptych.filtering.filter_pass import FilterPass
from triptych.filtering.scoring import CaptionInput
from triptych.records import Verdict

WORDS = "harbour market kitchen river garden tower bridge forest station meadow castle window".split()


RULES = "truncated exact_duplicate near_duplicate"


def text_of(seed: int) -> str:
    """A caption with 59 words, unlike that of any other seed."""
    return " ".join(f"{WORDS[(seed + at) % 12]}{seed * at}" for at in range(1, 60)) + "."


def judge(folder: Path, *blocks: list[CaptionInput], workers: int = 1, rules: str = RULES) -> list[Verdict]:
    config = FilteringConfig(rules=tuple(rules.split()), workers=workers)
    with FilterPass(config, filter_jobs_of(), folder, LocalExecutor) as all_captions:
        list(all_captions.score(blocks))
        return list(all_captions.verdicts())


def block(texts: list[str], job: str = "single_en", name: int = 0) -> list[CaptionInput]:
    return [CaptionInput(f"{name}.{at}", job, text) for at, text in enumerate(texts)]


def test_captions_that_differ_in_one_word_are_near_duplicates(tmp_path: Path) -> None:
    """The score is the similarity, and the earlier caption is kept."""
    first, second = judge(tmp_path, block([text_of(3), text_of(3).replace(text_of(3).split()[30], "palace")]))

    assert (None, "near_duplicate") == (first.reason, second.reason)
    assert pytest.approx(0.85, abs=0.08) == second.scores["near_duplicate"]


def test_a_duplicate_names_the_caption_that_it_repeats(tmp_path: Path) -> None:
    """If it repeats several, that is the one that is kept. Other verdicts name none."""
    near = text_of(3).replace(text_of(3).split()[30], "palace")
    verdicts = judge(tmp_path, block([text_of(1), text_of(3), text_of(3).upper(), near, text_of(2)]))

    assert [None, None, "0.1", "0.1", None] == [verdict.repeats for verdict in verdicts]


def test_different_captions_are_no_duplicates(tmp_path: Path) -> None:
    """However many there are."""
    verdicts = judge(tmp_path, block([text_of(seed) for seed in range(1, 300)]))

    assert all(verdict.keep for verdict in verdicts)


def test_a_near_duplicate_of_a_rejected_caption_is_kept(tmp_path: Path) -> None:
    """Here the first caption was cut off."""
    cut, whole = text_of(5).rstrip("."), text_of(5).replace(text_of(5).split()[30], "spire")
    verdicts = judge(tmp_path, block([cut, whole]))

    assert ["truncated", None] == [verdict.reason for verdict in verdicts]


def test_captions_of_different_jobs_are_never_duplicates(tmp_path: Path) -> None:
    """An image and a set may have the same description."""
    verdicts = judge(tmp_path, block([text_of(1)]), block([text_of(1)], job="multi_en"))

    assert [True, True] == [verdict.keep for verdict in verdicts]


def test_verdicts_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    """Two processes give the same ones as one."""
    texts = [text_of(seed) for seed in range(1, 9)] + ["", "a b."]

    blocks = [block(texts, name=name) for name in range(5)]

    assert judge(tmp_path, *blocks, workers=1) == judge(tmp_path, *blocks, workers=2)


def test_no_scratch_file_remains(tmp_path: Path) -> None:
    """They are removed when the pass ends."""
    judge(tmp_path, block([text_of(1)]))

    assert [] == list(tmp_path.iterdir())


def test_duplicates_are_found_without_any_other_rule(tmp_path: Path) -> None:
    """A config may have only rules that compare captions."""
    verdicts = judge(tmp_path, block(["A red boat."] * 2), rules="exact_duplicate")

    assert [True, False] == [verdict.keep for verdict in verdicts]
