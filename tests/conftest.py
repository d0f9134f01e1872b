"""What tests of more than one package share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photos() -> Path:
    """A folder of real photographs: $TRIPTYCH_PHOTOS, or shared/photos beside the checkout."""
    named = os.environ.get("TRIPTYCH_PHOTOS")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "photos"
    if not folder.is_dir():
        pytest.skip("no photographs: set TRIPTYCH_PHOTOS to a folder of some")
    return folder
