"""Fixtures and settings that all tests share."""

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
"""Processes started in the background ignore Ctrl-C, and so do their children. Tests need it."""


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
    """The port of a local S3 server, to which ``s3://`` refers from then on."""
    from tests.support.s3 import s3_server

    with s3_server() as port:
        yield port


@pytest.fixture(scope="session")
def ray_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayNodes]:
    """A Ray cluster of four nodes."""
    from tests.support.ray_nodes import running

    yield from running(tmp_path_factory.mktemp("nodes"))
