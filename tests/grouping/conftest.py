"""Fixtures shared by the tests of grouping."""

from pathlib import Path

import pytest

from tests.support.made_up import save_tiny_clip


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that open_clip loads, with random weights."""
    return save_tiny_clip(tmp_path_factory.mktemp("models") / "tiny_clip")
