"""The sampling settings of a job, and those that are refused because they would do nothing."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from tests.support.contexts import JOBS
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.endpoints.dialect import Dialect
from triptych.captioning.engine import GREEDY, CaptionRequest, Sampling
from triptych.captioning.sampling_config import JobSampling
from triptych.errors import UsageError
from triptych.settings import load_config

NOTHING = "no value without a temperature: the likeliest token is taken, so it would do nothing"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 2.5}, "temperature 2.5 in captioning.sampling: expected 0 to 2"),
        ({"temperature": 0.7, "top_k": 1}, "expected 0 or 2 to 1024: with 1, temperature 0.7 does nothing"),
        ({"temperature": 0.7, "top_k": 2000}, "top_k 2000 in captioning.sampling: expected 0 (all) to 1024"),
        (
            {"temperature": 0.7, "top_p": 0.0},
            "top_p 0.0 in captioning.sampling: expected more than 0, at most 1",
        ),
        ({"repetition_penalty": 0.0}, "repetition_penalty 0.0 in captioning.sampling: expected more than 0"),
        ({"top_k": 40}, f"top_k 40 in captioning.sampling: expected {NOTHING}"),
        ({"top_p": 0.9}, f"top_p 0.9 in captioning.sampling: expected {NOTHING}"),
        ({"seed": 7}, f"seed 7 in captioning.sampling: expected {NOTHING}"),
        ({"temperature": 1.0, "seed": -1}, "seed -1 in captioning.sampling: expected 0 or more"),
        ({"max_tokens": 0}, "max_tokens 0 in captioning.sampling: expected 1 or more"),
    ],
)
def test_settings_that_are_invalid_or_without_effect_are_refused(
    settings: dict[str, object], message: str
) -> None:
    """With the reason, also if they come from a file."""
    with pytest.raises(UsageError, match=re.escape(message)):
        JobSampling(**settings)
    with pytest.raises(UsageError, match=re.escape(message)):
        msgspec.convert({"sampling": {"single_en": settings}}, CaptioningConfig)


def test_an_unknown_setting_is_refused() -> None:
    """The error names it and its table."""
    with pytest.raises(msgspec.ValidationError, match=r"unknown field `temprature`.*sampling"):
        msgspec.convert({"sampling": {"single_en": {"temprature": 1.0}}}, CaptioningConfig)


def test_an_unknown_job_is_refused() -> None:
    """It is not just ignored."""
    with pytest.raises(UsageError, match=r"captioning.sampling: unknown job 'single_fr'; there are"):
        load_config(flags={"captioning.sampling": {"single_fr": {}}})


def test_a_job_without_settings_is_greedy() -> None:
    """With the token limit for single images or for sets."""
    config = CaptioningConfig(sampling={"multi_zh": JobSampling(temperature=0.5, max_tokens=99)})

    assert GREEDY == config.sampling_of(JOBS["single_en"]).of_request("single_en:a.jpg")
    assert (512, 1024, 99) == tuple(
        config.max_tokens(JOBS[name]) for name in ("single_en", "multi_en", "multi_zh")
    )


def test_a_penalty_applies_to_greedy_search_too() -> None:
    """Nothing else changes."""
    asked = JobSampling(repetition_penalty=1.05).of_request("single_en:a.jpg")

    assert Sampling(repetition_penalty=1.05) == asked


def test_every_request_has_its_own_seed() -> None:
    """It depends on the request's id and the job's seed alone."""
    job = JobSampling(temperature=0.7, seed=3)

    seeds = [job.of_request(f"single_en:{n}.jpg").seed for n in range(100)]

    assert 100 == len(set(seeds))
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)
    assert seeds[5] == job.of_request("single_en:5.jpg").seed
    assert seeds[5] != JobSampling(temperature=0.7, seed=4).of_request("single_en:5.jpg").seed
    assert 50 == job.of_request("x").top_k


def test_a_greedy_request_sends_every_sampling_field() -> None:
    """A server would fill in missing ones from the model's generation_config.json, including penalties."""
    request = CaptionRequest(id="a", prompt="Go.", images=(b"jpeg",), max_tokens=7)
    body = json.loads(Dialect().body("m", request))

    sent = {name: value for name, value in body.items() if name not in ("model", "messages")}
    assert {
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "temperature": 0.0,
        "top_k": 1,
        "top_p": 1.0,
        "repetition_penalty": 1.0,
    } == sent
