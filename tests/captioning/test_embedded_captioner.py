"""The captioner that ships with the package, on drawn scenes that it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chat_server import ChatServer, anywhere
from tests.support.contexts import JOBS
from tests.support.embedded_engine import embedded_engine
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.tiling import fit_to_tiles
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts


@pytest.fixture(scope="module")
def captioner() -> Iterator[TransformersEngine]:
    """The embedded captioner, loaded."""
    with embedded_engine("nano-internvl") as engine:
        yield engine


@pytest.fixture(scope="module")
def requests() -> list[CaptionRequest]:
    """One request per job, on a scene and two variations of it."""
    first = imagine_scene("unseen", 0)
    scenes = [first, vary_scene(first, "unseen", 0), vary_scene(first, "unseen", 1)]
    images = tuple(fit_to_tiles(paint(scene, 336, 224), (1, 1), 112) for scene in scenes)
    return [
        CaptionRequest(
            id=job, prompt=prompt.text, images=images if JOBS[job].is_multi else images[:1], max_tokens=320
        )
        for job, prompt in load_prompts(SEED_JOBS).items()
    ]


def test_its_captions_end_by_themselves_and_are_in_the_jobs_language(
    captioner: TransformersEngine, requests: list[CaptionRequest]
) -> None:
    """English in ASCII, Chinese in Han characters, each with its own full stop."""
    completions = captioner.caption(requests)

    for job, completion in zip(JOBS, completions, strict=True):
        assert "stop" == completion.finish_reason
        assert ("en" if completion.text.isascii() else "zh") == JOBS[job].language, completion.text
        assert completion.text.endswith("." if JOBS[job].language == "en" else "。")


def test_its_captions_are_the_same_behind_an_endpoint(
    captioner: TransformersEngine, requests: list[CaptionRequest]
) -> None:
    """Word for word: one by one over HTTP, and in a batch in this process."""
    with ChatServer(captioner) as server:
        engine = ServerEngine(ServerConfig(urls=(server.url,)))
        over_http = engine.caption(requests)
        engine.close()

    assert captioner.caption(requests) == anywhere(over_http)
