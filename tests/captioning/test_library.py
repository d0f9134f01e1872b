"""The library function ``caption``, which needs no run folder."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from PIL import Image

from tests.captioning.test_useless_answers import is_trial
from tests.support.chat_server import ChatServer
from tests.support.scripted_endpoint import Asked, Reply, ScriptedEndpoint, refuse, well
from tests.support.small_run import SmallRun
from triptych import Job, SetupError, UsageError, caption
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import GREEDY
from triptych.captioning.engines.config import ServerConfig, TransformersConfig

CONFIG = CaptioningConfig(tile_px=112, max_tiles=2, max_tokens_single=12, max_tokens_multi=16, ask_again=0)
ON_CPU = TransformersConfig(device="cpu", batch_size=4)


@pytest.fixture
def photos(small_run: SmallRun) -> list[Path]:
    """Six image files."""
    return sorted((small_run.pile / "loose").iterdir())


def test_captions_equal_those_of_a_run(small_run: SmallRun, photos: list[Path], tiny_model: Path) -> None:
    """In the order of the images, with their paths as ids."""
    small_run.caption(
        msgspec.structs.replace(CONFIG, model=str(tiny_model), transformers=ON_CPU, jobs=("single_en",))
    )
    of_run = {Path(row.id).name: row.text for row in small_run.rows().values()}

    found = caption(reversed(photos[:5]), engine=ON_CPU, model=str(tiny_model), config=CONFIG)

    assert [f"single_en:{path}" for path in reversed(photos[:5])] == [each.id for each in found]
    assert [of_run[path.name] for path in reversed(photos[:5])] == [each.text for each in found]


def test_an_image_is_a_path_bytes_or_a_picture(photos: list[Path], chat_server: ChatServer) -> None:
    """The same pixels are sent for each form."""
    path = photos[0]
    with Image.open(path) as picture:
        forms = [path, str(path), path.read_bytes(), picture]
        found = caption(forms, engine=_server(chat_server), config=CONFIG)

    assert ["#2", "#3"] == [each.id.partition(":")[2] for each in found[2:]]
    assert 1 == len({each.text for each in found})
    assert 1 == len({_sent(payload)[0] for payload in chat_server.payloads})


def test_a_set_gets_one_caption(photos: list[Path], chat_server: ChatServer) -> None:
    """With its images in order. A set that is given twice is asked about once."""
    pair = (photos[0], photos[1])
    found = caption([pair, photos[2:5], pair], job="multi_en", engine=_server(chat_server), config=CONFIG)

    assert [2, 3] == sorted(len(_sent(payload)) for payload in chat_server.payloads)
    assert found[0] == found[2] != found[1]
    assert f"multi_en:{photos[0]}+{photos[1]}" == found[0].id


def test_an_unreadable_image_is_a_failure(photos: list[Path], chat_server: ChatServer) -> None:
    """The others are captioned."""
    found = caption(
        ["gone.jpg", photos[0], b"no image", photos[1].read_bytes()[:200]],
        engine=_server(chat_server),
        config=CONFIG,
    )

    unreadable = {number: each.failure for number, each in enumerate(found) if each.failure is not None}
    assert "unreadable image: gone.jpg: No such file or directory" == unreadable[0]
    assert [0, 2, 3] == sorted(unreadable)
    assert unreadable[2].startswith("unreadable image: #2: ")
    assert ("", True) == (found[0].text, bool(found[1].text))


def test_refusals_that_overtake_captions_do_not_end_the_call(photos: list[Path]) -> None:
    """Captions of other images are still in flight."""
    numbers = itertools.count()

    def chat(asked: Asked) -> Reply:
        if is_trial(asked):
            return well(asked)
        is_refused = 0 < next(numbers) <= 40
        return refuse(400, "flagged") if is_refused else Reply(200, [0.7, *well(asked).pieces])

    with ScriptedEndpoint(chat) as endpoint:
        engine = ServerConfig(urls=(endpoint.url,))
        found = caption([photos[0].read_bytes()] * 70, engine=engine, config=CONFIG)

    assert [True] * 30 + [False] * 40 == sorted((each.failure is None for each in found), reverse=True)


def test_a_prompt_can_be_given_instead_of_the_jobs_own(photos: list[Path], chat_server: ChatServer) -> None:
    """For a job in any language. Its sampling is greedy unless the config says otherwise."""
    job = Job(name="short_fr", subject="image", language="fr")

    caption(photos[:1], job=job, prompt="Décrivez l'image.", engine=_server(chat_server), config=CONFIG)

    [payload] = chat_server.payloads
    assert "Décrivez l'image." == payload["messages"][0]["content"][-1]["text"]
    assert GREEDY.top_k == payload["top_k"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"job": "single_fr"}, "unknown job 'single_fr'; there are single_en"),
        ({"job": "multi_en"}, r"images\[0\] is one image, and multi_en captions sets: expected a sequence"),
        ({"images": [["a.jpg"]]}, r"images\[0\] is a sequence of 1, and single_en captions single images"),
        ({"images": [[]], "job": "multi_en"}, r"images\[0\] is a sequence of 0, and multi_en captions sets"),
        ({"engine": object()}, "engine is a object; expected a name, or the settings of one of server, lmd"),
        ({"engine": "vllm"}, "captioning.engine is 'vllm'"),
        ({"engine": "server"}, "captioning.engine is server, but no endpoint is given"),
        ({"engine": "transformers"}, "captioning needs a model"),
        ({"prompt": "Describe <image>."}, "prompt contains <image>, which stands for a picture"),
        ({"prompt": " "}, "prompt is empty"),
        (
            {"job": Job(name="m", subject="set", language="en", structured=True), "prompt": "Compare."},
            "prompt has no naming, by whose label the captions of m are composed",
        ),
    ],
)
def test_invalid_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    """Before any model is loaded."""
    with pytest.raises(UsageError, match=message):
        caption(**{"images": ["a.jpg"], **arguments})


def test_an_unreachable_server_is_reported_in_one_line(photos: list[Path]) -> None:
    """Instead of a failure for each caption."""
    with pytest.raises(SetupError, match=r"endpoint http://127\.0\.0\.1:9/v1 can't be reached"):
        caption(photos, engine=ServerConfig(urls=("http://127.0.0.1:9",)))


def test_the_number_of_torch_threads_is_restored_afterwards(photos: list[Path], tiny_model: Path) -> None:
    """While it captions on a CPU, torch uses one thread per operation."""
    threads = torch.get_num_threads()
    caption(photos[:1], engine=ON_CPU, model=str(tiny_model), config=CONFIG)

    assert threads == torch.get_num_threads()


def test_no_images_need_no_engine() -> None:
    """Nothing is loaded."""
    assert [] == caption([], engine=ON_CPU, model="builtin:nano-internvl")


def _server(server: ChatServer) -> ServerConfig:
    return ServerConfig(urls=(server.url,))


def _sent(payload: dict[str, Any]) -> list[str]:
    parts = payload["messages"][0]["content"]
    return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
