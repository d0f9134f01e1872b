"""The benchmark of decoding says why a folder of photographs is of no use."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from benchmarks.decode_speed import large_photographs
from tests.support.pile import jpeg, write_file


def test_a_folder_without_large_photographs_is_an_error(tmp_path: Path) -> None:
    """A mean of none would be a traceback."""
    write_file(tmp_path / "small.jpg", jpeg())

    with pytest.raises(click.UsageError, match="has a shorter side of 1500 px or more"):
        large_photographs(tmp_path, 24)
