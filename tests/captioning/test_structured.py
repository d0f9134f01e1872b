"""Structured answers about sets: the requests, the composed captions, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.chat_server import ChatServer
from tests.support.small_run import SETS, SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.structured import compose
from triptych.errors import SetupError, UsageError
from triptych.jobs import jobs_from
from triptych.languages import language_of
from triptych.prompts import load_prompt

STRUCTURED = jobs_from({"multi_en": {"structured": True}})
GOOD = "A street with trees and two parked cars."


def config(server: ChatServer, **settings: Any) -> CaptioningConfig:
    """A config that captions sets in English by ``server``."""
    return CaptioningConfig(
        server=ServerConfig(urls=(server.url,)), tile_px=112, max_tiles=1, jobs=("multi_en",), **settings
    )


def answering(server: ChatServer, *answers: str) -> None:
    """Let the server give these answers first, and then answers in the requested form."""
    left = list(answers)

    def complete(payload: dict[str, Any]) -> dict[str, Any]:
        server.payloads.append(payload)
        count = payload["response_format"]["json_schema"]["schema"]["properties"]["images"]["minItems"]
        text = left.pop(0) if left else json.dumps({"images": [GOOD] * count, "shared": "All were taken."})
        choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
        return {"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 9}}

    server.complete = complete


def test_a_caption_is_composed_of_a_text_per_image_and_a_shared_one(
    small_run: SmallRun, chat_server: ChatServer
) -> None:
    """With the label of the prompt's naming. The request has the form in its prompt and as a JSON schema."""
    answering(chat_server)

    small_run.caption_jobs(STRUCTURED, config(chat_server))

    of_two = f"Image-1: {GOOD} Image-2: {GOOD} All were taken."
    of_three = f"Image-1: {GOOD} Image-2: {GOOD} Image-3: {GOOD} All were taken."
    texts = sorted(row.text for row in small_run.rows().values())
    assert sorted([of_two, of_two, of_two, of_three]) == texts
    asked = next(payload for payload in chat_server.payloads if len(_images(payload)) == 3)
    images = asked["response_format"]["json_schema"]["schema"]["properties"]["images"]
    assert (3, 3) == (images["minItems"], images["maxItems"])
    prompt = load_prompt(STRUCTURED[2])
    assert asked["messages"][0]["content"][-1]["text"] == (
        f'{prompt.text}\nJSON: {{"images":["Image-1: ...","Image-2: ...","Image-3: ..."],"shared":"..."}}'
    )


def test_an_answer_in_another_form_is_asked_for_again(small_run: SmallRun, chat_server: ChatServer) -> None:
    """Like other unusable answers."""
    one_too_few = json.dumps({"images": [GOOD], "shared": "None."})
    answering(chat_server, "{", one_too_few, GOOD)

    small_run.caption_jobs(STRUCTURED, config(chat_server))

    rows = small_run.rows().values()
    assert ["wrong form", "wrong form"] == [why for row in rows for why in row.asked_again]
    assert [None] * len(SETS) == [row.failure for row in rows]


def test_a_set_without_an_answer_in_the_form_is_a_failure(
    small_run: SmallRun, chat_server: ChatServer
) -> None:
    """Such an answer is no caption: nobody would want to train on it."""
    answering(chat_server, *["{"] * (1 + len(SETS)))

    with pytest.raises(SetupError, match="not one of 4 answers is of use; the last one: wrong form"):
        small_run.caption_jobs(STRUCTURED, config(chat_server, ask_again=0))

    failures = {row.failure for row in small_run.rows().values()}
    assert failures <= {f"wrong form: '{{' is no JSON with {n} images and what they share" for n in (2, 3)}


def test_a_server_that_ignores_the_form_is_refused_before_work(
    small_run: SmallRun, chat_server: ChatServer
) -> None:
    """After one short answer."""
    answering(chat_server, "The images show")

    with pytest.raises(SetupError, match=r"does not hold answers to a form .*: 'The images show'; serve the"):
        small_run.caption_jobs(STRUCTURED, config(chat_server))
    assert (1, {}) == (len(chat_server.payloads), small_run.rows())


def test_an_engine_without_structured_answers_is_refused_before_work(
    small_run: SmallRun, tiny_model: Path
) -> None:
    """The error names the engines that have them."""
    in_process = CaptioningConfig(engine="transformers", model=str(tiny_model))

    with pytest.raises(
        UsageError, match=r"multi_en.structured is set, but --engine transformers can't .* server or lmdeploy"
    ):
        small_run.caption_jobs(STRUCTURED, in_process)


def test_a_prompt_without_naming_is_refused(tmp_path: Path) -> None:
    """Without labels, the parts can't be put together."""
    path = tmp_path / "own.toml"
    path.write_text('version = 1\ntext = "Compare the images."\n')
    job = jobs_from({"multi_en": {"structured": True, "prompt": str(path)}})[2]

    with pytest.raises(
        UsageError, match=r"own\.toml of multi_en has no \[naming\], which jobs\.multi_en\.structured needs"
    ):
        load_prompt(job)


@pytest.mark.parametrize(
    ("answer", "language", "expected"),
    [
        ('{"images": ["A cat.", "A dog."], "shared": ""}', "en", "Image-1: A cat. Image-2: A dog."),
        (
            '{"images": ["Image-1: A cat.", "A dog."], "shared": "x"}',
            "en",
            "Image-1: A cat. Image-2: A dog. x",
        ),
        ('{"images": ["A\\ncat.", " A dog. "], "shared": "x"}', "en", "Image-1: A cat. Image-2: A dog. x"),
        ('{"images": ["一只猫。", "一只狗。"], "shared": "都在。"}', "zh", "图1:一只猫。图2:一只狗。都在。"),
        ('{"images": ["A cat."], "shared": "x"}', "en", None),
        ('{"images": ["A cat.", " "], "shared": "x"}', "en", None),
        ('{"images": ["A cat.", 2], "shared": "x"}', "en", None),
        ('{"images": ["A cat.", "A dog."]}', "en", None),
        ('{"images": ["A cat.", "A d', "en", None),
        ("Image-1: A cat. Image-2: A dog.", "en", None),
    ],
)
def test_parts_are_put_together_in_the_style_of_the_language(
    answer: str, language: str, expected: str | None
) -> None:
    """Each label once, no line breaks. Answers in another form, or without an image, give no caption."""
    prompt = load_prompt(next(job for job in jobs_from({}) if job.name == f"multi_{language}"))

    assert expected == compose(answer, prompt.naming, language_of(language), 2)


def _images(payload: dict[str, Any]) -> list[Any]:
    return [part for part in payload["messages"][0]["content"] if part["type"] == "image_url"]
