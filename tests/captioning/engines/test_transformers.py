"""The in-process engine on a real model with random weights."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from tests.support.small_run import picture
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.engines.config import TransformersConfig
from triptych.captioning.engines.transformers import TransformersEngine
from triptych.captioning.tiling import fit_to_tiles
from triptych.errors import SetupError

PROMPT = "Describe what the image shows."


def request(*seeds: int, max_tokens: int = 24, prompt: str = PROMPT) -> CaptionRequest:
    """A request with one image per seed, each of one tile."""
    images = tuple(fit_to_tiles(picture(seed), (1, 1), 112) for seed in seeds)
    return CaptionRequest(id=f"of {seeds}", prompt=prompt, images=images, max_tokens=max_tokens)


def test_a_batch_gives_the_same_captions_as_its_requests_alone(tiny_engine: TransformersEngine) -> None:
    """Word for word. Shorter prompts are padded on the left, where it doesn't matter."""
    requests = [request(1), request(2, 3, 4), request(5, prompt="Go."), request(6, 7)]

    together = tiny_engine.caption(requests)

    assert [tiny_engine.caption([alone])[0] for alone in requests] == together
    assert [r.id for r in requests] == [completion.id for completion in together]


def test_the_text_depends_on_every_image_and_their_order(tiny_engine: TransformersEngine) -> None:
    """So the pictures really reach the model, each in its place."""
    requests = [request(1, 2), request(2, 1), request(1, 3), request(1)]

    texts = [completion.text for completion in tiny_engine.caption(requests)]

    assert len(texts) == len(set(texts))


def test_more_tiles_make_a_longer_prompt(tiny_engine: TransformersEngine) -> None:
    """Two tiles and the thumbnail: 3 x 16 tokens instead of 16."""
    wide = CaptionRequest(
        id="wide", prompt=PROMPT, images=(fit_to_tiles(picture(1), (2, 1), 112),), max_tokens=2
    )

    one, three = tiny_engine.caption([request(1, max_tokens=2), wide])

    assert one.prompt_tokens + 32 == three.prompt_tokens


def test_a_text_cut_by_max_tokens_has_the_finish_reason_length(tiny_engine: TransformersEngine) -> None:
    """Each request has its own limit, even in one batch."""
    short, longer = tiny_engine.caption([request(1, max_tokens=3), request(2, max_tokens=5)])

    assert ("length", 3) == (short.finish_reason, short.completion_tokens)
    assert ("length", 5) == (longer.finish_reason, longer.completion_tokens)


def test_a_text_ended_by_the_model_has_the_finish_reason_stop(
    tiny_engine: TransformersEngine, tiny_model: Path, tmp_path: Path
) -> None:
    """The same model gives the beginning of the same text if every second token may end one."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "ends"))
    settings = json.loads((folder / "generation_config.json").read_text())
    settings["eos_token_id"] = list(range(0, 400, 2))
    (folder / "generation_config.json").write_text(json.dumps(settings))
    requests = [request(seed) for seed in range(4)]

    ended = TransformersEngine(str(folder), TransformersConfig(batch_size=4, device="cpu")).caption(requests)

    assert {"stop"} == {completion.finish_reason for completion in ended}
    assert all(
        completion.completion_tokens < 24 and whole.text.startswith(completion.text.rstrip("\ufffd"))
        for completion, whole in zip(ended, tiny_engine.caption(requests), strict=True)
    )


def test_a_cpu_batch_computes_on_one_thread_in_float32(tiny_engine: TransformersEngine) -> None:
    """Batches run in parallel instead: no threads wait within a step, and rounding stays the same."""
    assert {"precision": "float32"} == tiny_engine.identity
    assert 1 == torch.get_num_threads()
    assert tiny_engine.concurrency >= 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/no/such/folder", "no model folder at /no/such/folder"),
        ("./missing", "no model folder at ./missing"),
        ("one/two/three", "no model folder at one/two/three"),
        ("justaname", "no model folder at justaname"),
    ],
)
def test_a_missing_model_folder_is_reported_in_one_line(model: str, message: str) -> None:
    """With what to name instead."""
    with pytest.raises(SetupError, match=f"{re.escape(message)}; name an existing.*--model"):
        TransformersEngine(model, TransformersConfig())


def test_a_folder_without_a_config_is_not_a_model(tmp_path: Path) -> None:
    """Such as the parent of the right folder."""
    with pytest.raises(SetupError, match=r"is not a model folder: no config\.json in it"):
        TransformersEngine(str(tmp_path), TransformersConfig())


def test_an_unreachable_hub_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line also says that there is no such folder."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(
        SetupError, match=r"no folder some/model here .* http://127\.0\.0\.1:9 can't be reached"
    ):
        TransformersEngine("some/model", TransformersConfig())


def test_a_damaged_weight_file_is_reported_in_one_line(tiny_model: Path, tmp_path: Path) -> None:
    """Whatever the library raises."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "broken"))
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)

    with pytest.raises(SetupError, match="can't be loaded") as caught:
        TransformersEngine(str(folder), TransformersConfig())

    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_lacks_weights_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """The library would initialise them randomly and continue."""
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(tiny_model, tmp_path / "holes"))
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in sorted(weights) if "projector" in name))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})

    with pytest.raises(SetupError, match=r"lacks 1 of its weights, such as .*projector"):
        TransformersEngine(str(folder), TransformersConfig())
