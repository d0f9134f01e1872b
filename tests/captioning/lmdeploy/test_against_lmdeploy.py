"""Captioning through lmdeploy's real server code, with the embedded model on a CPU.

Real are lmdeploy's app, request checks, chat template, tokenizer, InternVL preprocessing, detokenizer and
errors, and uvicorn. Only its GPU engine is replaced, by greedy search with transformers.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.support.chat_server import anywhere
from tests.support.contexts import JOBS
from tests.support.lmdeploy_on_cpu import LmdeployOnCpu
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.engines import RequestLimits
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.captioning.engines.openai_server import ServerEngine
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.tiling import fit_to_tiles
from triptych.config import Config
from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.doctor import examine_captioning
from triptych.errors import SetupError, UnreadableImageError
from triptych.jobs import SEED_JOBS
from triptych.models import resolve_model
from triptych.prompts import load_prompts
from triptych.sources.image_decoding import decode_rgb

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lmdeploy") is None, reason="lmdeploy is not installed"
)

MODEL = resolve_model("builtin:nano-internvl")
SERVED = "nano-internvl"
CONTEXT_TOKENS = 1024


@pytest.fixture(scope="module")
def lmdeploy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LmdeployOnCpu]:
    """A running server."""
    with LmdeployOnCpu(Path(MODEL), SERVED, tmp_path_factory.mktemp("lmdeploy")) as server:
        yield server


def captioning(lmdeploy: LmdeployOnCpu, **settings: object) -> CaptioningConfig:
    """The config that doctor examines."""
    return CaptioningConfig(server=ServerConfig(urls=(lmdeploy.url,)), tile_px=112, **settings)


@pytest.fixture(scope="module")
def in_process() -> Iterator[TransformersEngine]:
    """The in-process engine with the same model."""
    engine = TransformersEngine(MODEL, TransformersConfig(batch_size=16, device="cpu"))
    yield engine
    engine.close()


@pytest.fixture
def over_http(lmdeploy: LmdeployOnCpu) -> Iterator[ServerEngine]:
    """The engine that asks the server, and hardly pauses."""
    limits = RequestLimits(max_attempts=2, patience_s=2.0)
    engine = ServerEngine(ServerConfig(urls=(lmdeploy.url,)), limits=limits, first_pause_s=0.01)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def four_jobs() -> list[list[CaptionRequest]]:
    """Requests of the four jobs on three unseen scenes with one, two and three variations."""
    return [_four_jobs(number, variations=1 + number) for number in range(3)]


RequestAndInputs = tuple[CaptionRequest, tuple[list[int], np.ndarray]]


@pytest.fixture(scope="module")
def requests_and_inputs(lmdeploy: LmdeployOnCpu) -> list[RequestAndInputs]:
    """Requests of the four jobs on one scene and its variations, each with the inputs of lmdeploy's model."""
    requests = _four_jobs(3, variations=4)
    engine = ServerEngine(ServerConfig(urls=(lmdeploy.url,)))
    for request in requests:  # one at a time: requests that are sent together arrive in any order
        engine.caption([request])
    engine.close()
    return list(zip(requests, lmdeploy.inputs()[-len(requests) :], strict=True))


def _four_jobs(number: int, variations: int) -> list[CaptionRequest]:
    first = imagine_scene("unseen", number)
    scenes = [first, *(vary_scene(first, "unseen", n) for n in range(variations))]
    images = tuple(fit_to_tiles(paint(scene, 336, 224), (1, 1), 112) for scene in scenes)
    return [
        CaptionRequest(
            id=f"{job}:{number}",
            prompt=prompt.text,
            images=images if JOBS[job].is_multi else images[:1],
            max_tokens=320,
        )
        for job, prompt in load_prompts(SEED_JOBS).items()
    ]


def _single(image: bytes, prompt: str = "Describe the image.") -> CaptionRequest:
    return CaptionRequest(id="single_en:a.jpg", prompt=prompt, images=(image,), max_tokens=16)


def test_captions_of_the_four_jobs_equal_those_of_the_in_process_engine(
    over_http: ServerEngine, in_process: TransformersEngine, four_jobs: list[list[CaptionRequest]]
) -> None:
    """Four requests at a time: texts, finish reasons and token counts."""
    requests = [request for scene in four_jobs for request in scene]

    with ThreadPoolExecutor(4) as pool:
        asked = [completions[0] for completions in pool.map(lambda r: over_http.caption([r]), requests)]

    assert in_process.caption(requests) == anywhere(asked)
    assert all(completion.text and completion.finish_reason == "stop" for completion in asked)


def test_the_model_gets_the_same_tokens(
    requests_and_inputs: list[RequestAndInputs], in_process: TransformersEngine
) -> None:
    """With the same chat template, numbers of images, prompt, tokenizer and places of image tokens."""
    for request, (tokens, _) in requests_and_inputs:
        assert in_process.model_inputs([request])["input_ids"][0].tolist() == tokens


def test_the_model_gets_the_same_pixels_up_to_float16(
    requests_and_inputs: list[RequestAndInputs], in_process: TransformersEngine
) -> None:
    """lmdeploy casts them to the checkpoint's dtype on the CPU: at most half a step of float16."""
    for request, (_, pixels) in requests_and_inputs:
        ours = in_process.model_inputs([request])["pixel_values"].numpy()

        assert np.array_equal(ours.astype(np.float16), pixels)
        assert 0 < np.abs(ours - pixels).max() < 2**-10  # normalised values lie within -2.2 and 2.7


def test_a_caption_cut_by_max_tokens_ends_at_the_same_word(
    over_http: ServerEngine, in_process: TransformersEngine, four_jobs: list[list[CaptionRequest]]
) -> None:
    """Also in Chinese, where a cut may be within a character."""
    cut = [CaptionRequest(id=r.id, prompt=r.prompt, images=r.images, max_tokens=9) for r in four_jobs[0]]

    asked = over_http.caption(cut)

    assert ["length"] * 4 == [completion.finish_reason for completion in asked]
    assert in_process.caption(cut) == anywhere(asked)


def test_a_request_that_is_too_long_is_a_failure_at_once(
    over_http: ServerEngine, four_jobs: list[list[CaptionRequest]]
) -> None:
    """HTTP 400, recognised by lmdeploy's message. Only fewer tiles could help."""
    completion = over_http.caption([_single(four_jobs[0][0].images[0], "word " * CONTEXT_TOKENS)])[0]

    assert 1 == completion.attempts
    assert completion.failure is not None
    assert completion.failure.startswith("too long: ")
    assert f"must be smaller than the model context length ({CONTEXT_TOKENS})" in completion.failure


def test_bytes_that_are_no_image_are_a_failure_at_once(over_http: ServerEngine) -> None:
    """HTTP 400, with lmdeploy's message."""
    completion = over_http.caption([_single(b"not an image")])[0]

    assert 1 == completion.attempts
    assert completion.failure is not None
    assert completion.failure.startswith("refused: ")
    assert "HTTP 400" in completion.failure


def test_only_the_client_notices_a_truncated_image(over_http: ServerEngine) -> None:
    """lmdeploy fills it up with grey and captions it, so the client must not send damaged files."""
    whole = fit_to_tiles(paint(imagine_scene("unseen", 0), 336, 224), (1, 1), 112)
    half = whole[: len(whole) // 2]

    completion = over_http.caption([_single(half)])[0]

    assert completion.failure is None
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode_rgb(half)


@pytest.mark.parametrize("status", ["INTERNAL_ENGINE_ERROR", "OUT_OF_MEMORY", "ENGINE_STOP_ERROR", "CANCEL"])
def test_a_request_that_fails_in_the_engine_is_retried(
    lmdeploy: LmdeployOnCpu,
    over_http: ServerEngine,
    in_process: TransformersEngine,
    four_jobs: list[list[CaptionRequest]],
    status: str,
) -> None:
    """HTTP 500, 500 and 503; a cancelled request gets a 200 with half a caption, which is discarded."""
    request = four_jobs[0][0]
    lmdeploy.fail_with(status)

    completion = over_http.caption([request])[0]

    assert (None, 2) == (completion.failure, completion.attempts)
    assert in_process.caption([request])[0].text == completion.text


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ("INTERNAL_ENGINE_ERROR", "HTTP 500: .*internal server error"),
        ("CANCEL", "broke off its answer"),
    ],
)
def test_a_request_that_fails_every_time_is_recorded_with_the_last_fault(
    lmdeploy: LmdeployOnCpu,
    over_http: ServerEngine,
    four_jobs: list[list[CaptionRequest]],
    status: str,
    fault: str,
) -> None:
    """After max_attempts, if the server still lists the model."""
    lmdeploy.fail_with(status, status)

    completion = over_http.caption([four_jobs[0][0]])[0]

    assert 2 == completion.attempts
    assert completion.failure is not None
    assert re.match(f"no answer: .*{fault}", completion.failure)


def test_requests_wait_for_a_sleeping_server(
    lmdeploy: LmdeployOnCpu, over_http: ServerEngine, four_jobs: list[list[CaptionRequest]]
) -> None:
    """It answers HTTP 503 until it is woken up. Requests wait for patience_s, and no caption fails."""
    lmdeploy.sleep()
    try:
        with pytest.raises(SetupError, match=r"gave no answer for 2 s .*HTTP 503: .*sleeping"):
            over_http.caption([four_jobs[0][0]])
    finally:
        lmdeploy.wake_up()
    over_http.endpoints[0].wake()
    awake = over_http.caption([four_jobs[0][0]])[0]

    assert (None, 1) == (awake.failure, awake.attempts)


def test_a_model_that_is_not_served_is_reported_in_one_line_at_the_start(lmdeploy: LmdeployOnCpu) -> None:
    """With the model that is served."""
    with pytest.raises(SetupError, match=f"serves {SERVED}, not other/model; name a served model"):
        ServerEngine(ServerConfig(urls=(lmdeploy.url,)), "other/model")


def test_a_model_that_is_no_longer_served_ends_the_run(
    over_http: ServerEngine, four_jobs: list[list[CaptionRequest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was restarted with another model: the set-up is wrong, not the request."""
    monkeypatch.setattr(over_http._client, "model", "served/before")

    with pytest.raises(SetupError, match=r"serves .*, not served/before.; .*start served/before there"):
        over_http.caption([four_jobs[0][0]])


def test_doctor_sends_an_image_and_reports_the_answer(lmdeploy: LmdeployOnCpu) -> None:
    """With the number of tokens of the request and of the answer."""
    config = Config(captioning=captioning(lmdeploy))

    engine, endpoint = examine_captioning(config)

    assert ("engine", "ok", "server (auto: servers are given)") == (engine.name, engine.level, engine.found)
    assert ("endpoint", "ok") == (endpoint.name, endpoint.level)
    assert re.match(
        rf"{lmdeploy.url} serves {SERVED}; an image, \d+ tokens with its prompt, came back as \d+ tokens in",
        endpoint.found,
    )


def test_doctor_finds_an_endpoint_that_serves_another_model(lmdeploy: LmdeployOnCpu) -> None:
    """And one whose engine fails, with lmdeploy's message."""
    other = captioning(lmdeploy, model="other/model")
    lmdeploy.fail_with("INTERNAL_ENGINE_ERROR")

    *_, unknown = examine_captioning(Config(captioning=other))
    *_, broken = examine_captioning(Config(captioning=captioning(lmdeploy)))

    assert "failed" == unknown.level
    assert f"serves {SERVED}, not other/model" in unknown.found
    assert "failed" == broken.level
    assert "HTTP 500: An internal server error occurred.; wait until it is ready" in broken.found


def test_structured_answers_have_the_requested_form(
    over_http: ServerEngine, four_jobs: list[list[CaptionRequest]]
) -> None:
    """One text per image and a shared one, through lmdeploy's own request checks and grammars."""
    of_sets = [request for requests in four_jobs for request in requests if len(request.images) > 1]
    asked = [msgspec.structs.replace(request, structured=True, max_tokens=400) for request in of_sets]

    answers = [json.loads(completion.text) for completion in over_http.caption(asked)]

    assert [{"images", "shared"}] * len(asked) == [answer.keys() for answer in answers]
    assert [len(request.images) for request in asked] == [len(answer["images"]) for answer in answers]
