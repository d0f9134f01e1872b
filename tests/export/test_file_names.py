"""File names of an export."""

import msgspec
import pytest

from tests.support.contexts import JOBS
from triptych.errors import UsageError
from triptych.export.config import ExportConfig
from triptych.export.manifest import labels, rows_file_name, short_count
from triptych.jobs import SEED_JOBS, Job


@pytest.mark.parametrize(
    ("count", "short"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1k"),
        (1_500, "1k"),
        (77_000, "77k"),
        (999_999, "999k"),
        (1_000_000, "1m"),
        (11_185_362, "11m"),
    ],
)
def test_a_count_is_rounded_down(count: int, short: str) -> None:
    """A name never promises more rows than there are."""
    assert short == short_count(count)


def name_of(job: Job, count: int, *beside: Job) -> str:
    label = labels([job, *beside])[job.name]
    return rows_file_name("internvl_sa1b_caption", label, count, "jsonl")


def test_file_names_match_those_of_the_seed_dataset() -> None:
    """With its prefix and counts."""
    others = SEED_JOBS[1:3]

    assert "internvl_sa1b_caption_11m_single_image_en.jsonl" == name_of(
        JOBS["single_en"], 11_185_362, *others
    )
    assert "internvl_sa1b_caption_77k_multi_image_zh.jsonl" == name_of(JOBS["multi_zh"], 77_017, *others)


def test_the_file_of_a_job_is_named_by_its_language() -> None:
    """Whatever the job's name is."""
    job = Job(name="tagalog-sets", subject="set", language="tl")

    assert "internvl_sa1b_caption_5_multi_image_tl.jsonl" == name_of(job, 5, *SEED_JOBS)


def test_two_jobs_with_the_same_subject_and_language_are_named_by_their_own_names() -> None:
    """Other jobs are still named by their subject and language."""
    short = Job(name="short_en", subject="image", language="en")

    assert {
        "single_en": "single_en", "single_zh": "single_image_zh", "multi_en": "multi_image_en",
        "multi_zh": "multi_image_zh", "short_en": "short_en",
    } == labels([*SEED_JOBS, short])  # fmt: skip


def test_all_jobs_are_named_by_their_own_names_if_one_has_the_label_of_another() -> None:
    """No two files have the same name."""
    odd = Job(name="multi_image_en", subject="image", language="zh")

    found = labels([*SEED_JOBS, odd])

    assert {job.name: job.name for job in (*SEED_JOBS, odd)} == found


@pytest.mark.parametrize("prefix", ["", "../up", "a b", "a/b", ".hidden", "名"])
def test_a_prefix_that_is_no_file_name_is_a_usage_error(prefix: str) -> None:
    """Nothing has been written by then."""
    with pytest.raises(UsageError, match=r"export\.prefix"):
        msgspec.convert({"prefix": prefix}, ExportConfig)


@pytest.mark.parametrize("setting", ["format", "file_type"])
def test_an_unknown_format_or_file_type_is_a_usage_error_that_lists_the_known_ones(setting: str) -> None:
    """Nothing has been written by then."""
    with pytest.raises(UsageError, match=rf"export\.{setting} is 'coco'; expected one of .*(llava|parquet)"):
        msgspec.convert({setting: "coco"}, ExportConfig)
