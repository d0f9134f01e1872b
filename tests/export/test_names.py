"""File names."""

import msgspec
import pytest

from triptych.errors import UsageError
from triptych.export.config import ExportConfig
from triptych.export.file_names import rows_file_name, short_count


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
def test_a_count_is_shortened_downwards(count: int, short: str) -> None:
    """A name never promises more rows than there are."""
    assert short == short_count(count)


def test_names_are_those_of_the_seed() -> None:
    """With the seed's prefix and counts."""
    assert "internvl_sa1b_caption_11m_single_image_en.jsonl" == rows_file_name(
        "internvl_sa1b_caption", "single_en", 11_185_362, "jsonl"
    )
    assert "internvl_sa1b_caption_77k_multi_image_zh.jsonl" == rows_file_name(
        "internvl_sa1b_caption", "multi_zh", 77_017, "jsonl"
    )


@pytest.mark.parametrize("prefix", ["", "../up", "a b", "a/b", ".hidden", "名"])
def test_a_prefix_that_is_no_file_name_is_a_usage_error(prefix: str) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError, match=r"export\.prefix"):
        msgspec.convert({"prefix": prefix}, ExportConfig)
