"""Fixtures for the captioning tests: a tiny model, a small run, and a server that runs the model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chat_server import ChatServer
from tests.support.small_run import SmallRun, make_small_run
from tests.support.tiny_internvl import write_tiny_internvl
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.captioning.engines.transformers import TransformersEngine


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an InternVL with random weights."""
    return write_tiny_internvl(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_engine(tiny_model: Path) -> Iterator[TransformersEngine]:
    """The tiny model, loaded, with batches of 4."""
    engine = TransformersEngine(str(tiny_model), TransformersConfig(batch_size=4, device="cpu"))
    yield engine
    engine.close()


@pytest.fixture
def chat_server(tiny_engine: TransformersEngine) -> Iterator[ChatServer]:
    """An endpoint that answers with the tiny model."""
    with ChatServer(tiny_engine) as server:
        yield server


@pytest.fixture
def small_run(tmp_path: Path) -> SmallRun:
    """A grouped run of 14 images in two shards, with four sets, ready to be captioned."""
    return make_small_run(tmp_path)


@pytest.fixture
def config(tiny_model: Path) -> CaptioningConfig:
    """Short captions by the tiny model, in batches of 4."""
    return CaptioningConfig(
        model=str(tiny_model),
        transformers=TransformersConfig(device="cpu", batch_size=4),
        tile_px=112,
        max_tiles=2,
        max_tokens_single=12,
        max_tokens_multi=16,
        ask_again=0,
    )


@pytest.fixture
def served_config(chat_server: ChatServer) -> CaptioningConfig:
    """Captions of two tokens from the endpoint, with one tile per image."""
    return CaptioningConfig(
        server=ServerConfig(urls=(chat_server.url,)),
        tile_px=112,
        max_tiles=1,
        max_tokens_single=2,
        max_tokens_multi=2,
        ask_again=0,
    )
