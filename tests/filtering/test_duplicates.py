"""Captions that say what an earlier one says, among many."""

from pathlib import Path

import pytest

from triptych.filtering.config import FilteringConfig
from triptych.filtering.court import Court
from triptych.filtering.judge import Row
from triptych.records import JobName, Verdict

WORDS = "harbour market kitchen river garden tower bridge forest station meadow castle window".split()


def text_of(seed: int) -> str:
    """A caption of sixty different words, unlike that of any other seed."""
    return " ".join(f"{WORDS[(seed + at) % 12]}{seed * at}" for at in range(1, 60)) + "."


def judge(
    folder: Path, texts: list[str], job: JobName = "single_en", workers: int = 1, repeat: int = 1
) -> list[Verdict]:
    config = FilteringConfig(rules=("truncated", "exact_duplicate", "near_duplicate"), workers=workers)
    blocks = [
        [Row(f"{n}.{at}", job, text, 1, "stop") for at, text in enumerate(texts)] for n in range(repeat)
    ]
    with Court(config, folder) as court:
        list(court.hear(blocks))
        return list(court.verdicts())


def test_one_word_of_sixty_makes_a_near_duplicate(tmp_path: Path) -> None:
    """The score is the similarity, and the earlier stays."""
    first, second = judge(tmp_path, [text_of(3), text_of(3).replace(text_of(3).split()[30], "palace")])

    assert (None, "near_duplicate") == (first.reason, second.reason)
    assert pytest.approx(0.85, abs=0.08) == second.scores["near_duplicate"]


def test_a_duplicate_names_the_caption_that_it_repeats(tmp_path: Path) -> None:
    """Exact or near; of several the one that stays. Others name none."""
    near = text_of(3).replace(text_of(3).split()[30], "palace")
    verdicts = judge(tmp_path, [text_of(1), text_of(3), text_of(3).upper(), near, text_of(2)])

    assert [None, None, "0.1", "0.1", None] == [verdict.repeats for verdict in verdicts]


def test_captions_of_other_things_are_no_duplicates(tmp_path: Path) -> None:
    """However many there are."""
    assert all(verdict.keep for verdict in judge(tmp_path, [text_of(seed) for seed in range(1, 300)]))


def test_a_dropped_caption_takes_no_near_copy_with_it(tmp_path: Path) -> None:
    """Where the first was cut off, the second stays."""
    verdicts = judge(tmp_path, [text_of(5).rstrip("."), text_of(5).replace(text_of(5).split()[30], "spire")])

    assert ["truncated", None] == [verdict.reason for verdict in verdicts]


def test_captions_of_different_jobs_are_never_duplicates(tmp_path: Path) -> None:
    """An image and a set may be told in the same words."""
    config = FilteringConfig(rules=("exact_duplicate", "near_duplicate"))
    rows = [Row("a", "single_en", text_of(1), 1, "stop"), Row("b", "multi_en", text_of(1), 2, "stop")]
    with Court(config, tmp_path) as court:
        list(court.hear([rows]))

        assert [True, True] == [verdict.keep for verdict in court.verdicts()]


def test_verdicts_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    """Two processes give the same bytes as one."""
    texts = [text_of(seed) for seed in range(1, 9)] + ["", "a b."]

    assert judge(tmp_path, texts, workers=1, repeat=5) == judge(tmp_path, texts, workers=2, repeat=5)


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    """Scratch files go with the court."""
    judge(tmp_path, [text_of(1)])

    assert [] == list(tmp_path.iterdir())


def test_duplicates_need_no_other_rule(tmp_path: Path) -> None:
    """A config may have nothing but rules that compare captions."""
    config = FilteringConfig(rules=("exact_duplicate",))
    with Court(config, tmp_path) as court:
        list(court.hear([[Row(f"{at}", "single_en", "A red boat.", 1, "stop") for at in range(2)]]))

        assert [True, False] == [verdict.keep for verdict in court.verdicts()]
