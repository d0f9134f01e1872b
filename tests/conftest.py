"""What tests of more than one package share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.scheduling import Units, longest_first

if TYPE_CHECKING:
    from tests.support.ray_nodes import RayNodes

signal.signal(signal.SIGINT, signal.default_int_handler)
"""What is started in the background has Ctrl-C ignored, and so has all that it starts: tests send it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Units:
    return Units(config, log)


@pytest.fixture(scope="session")
def photos() -> Path:
    """A folder of real photographs: $TRIPTYCH_PHOTOS, or shared/photos beside the checkout."""
    named = os.environ.get("TRIPTYCH_PHOTOS")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "photos"
    if not folder.is_dir():
        pytest.skip("no photographs: set TRIPTYCH_PHOTOS to a folder of some")
    return folder


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """The port of an S3 server, which is what ``s3://`` means from then on."""
    from tests.support.s3 import s3_server

    with s3_server() as port:
        yield port


@pytest.fixture(scope="session")
def ray_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    """A cluster of four nodes."""
    from tests.support.ray_nodes import running

    yield from running(tmp_path_factory.mktemp("nodes"))
