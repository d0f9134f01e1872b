"""The captioning config: which values are refused, and which settings the fingerprint contains."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from tests.support.contexts import JOBS
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engines.config import ServerConfig, TransformersConfig
from triptych.captioning.fingerprint import job_settings
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.sampling_config import JobSampling
from triptych.errors import UsageError
from triptych.jobs import SEED_JOBS
from triptych.prompts import load_prompts
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFile, RunFolder

TABLES = {"server": ServerConfig, "lmdeploy": LmdeployConfig, "transformers": TransformersConfig}
ONE_SERVER = {"urls": ("http://h:1",)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transformers": {"batch_size": 0}}, "captioning.transformers.batch_size is 0; expected 1 or more"),
        ({"sample": 0}, "captioning.sample is 0; expected 1 or more"),
        ({"timeout_s": 0.0}, "captioning.timeout_s is 0.0; expected more than 0 seconds"),
        ({"patience_s": 0.0}, "captioning.patience_s is 0.0; expected more than 0"),
        ({"jobs": ("single_en", "single_en")}, "expected each job once"),
        (
            {"transformers": {"device": "gpu"}},
            "captioning.transformers.device is 'gpu'; expected auto, cpu",
        ),
        (
            {"server": {"urls": ("host:1",)}},
            "captioning.server.urls is 'host:1'; expected http://HOST:PORT/v1",
        ),
        (
            {"server": {"extra_body": {"n": 2}}},
            "captioning.server.extra_body is ['n']; expected other fields",
        ),
        (
            {"engine": "transformer"},
            "captioning.engine is 'transformer' (did you mean transformers?)",
        ),
        ({"own_engine": {"x": 1}}, "captioning.own_engine is set, but captioning.engine is auto; expected"),
        ({"engine": "server"}, "captioning.engine is server, but no endpoint is given"),
        ({"engine": "lmdeploy", "server": ONE_SERVER}, "engine is lmdeploy, but servers are given"),
        ({"max_side_px": 0}, "captioning.max_side_px is 0; expected 1 or more"),
        ({"engine": "transformers", "server": ONE_SERVER}, "but servers are given (http://h:1)"),
    ],
)
def test_an_invalid_value_is_refused_in_one_line(settings: dict[str, object], message: str) -> None:
    """The line names the key, what was found and what was expected, however the config was made."""
    with pytest.raises(UsageError, match=re.escape(message)):
        CaptioningConfig(
            **{key: TABLES[key](**value) if key in TABLES else value for key, value in settings.items()}
        )
    with pytest.raises(UsageError, match=re.escape(message)):
        msgspec.convert(settings, CaptioningConfig)


def test_a_table_of_a_config_file_becomes_a_config() -> None:
    """Tables keyed by job are read as they are written in TOML."""
    table = {"sampling": {"single_zh": {"max_tokens": 100}}, "jobs": ["single_zh"]}

    config = msgspec.convert(table, CaptioningConfig)

    assert ("single_zh",) == config.jobs
    assert 100 == config.max_tokens(JOBS["single_zh"])
    assert 512 == config.max_tokens(JOBS["single_en"])


@pytest.mark.parametrize(
    "change",
    [
        {"model": "b/b"},
        {"tile_px": 112},
        {"max_tiles": 6},
        {"max_tokens_single": 100},
        {"max_tokens_multi": 100},
        {"transformers": TransformersConfig(batch_size=8)},
        {"engine": "lmdeploy"},
        {"tile_fit": False},
        {"sampling": {"multi_zh": JobSampling(repetition_penalty=1.05)}},
        {"sampling": {"multi_zh": JobSampling(temperature=0.5, seed=7)}},
        {"sampling": {"single_en": JobSampling(max_tokens=100)}},
    ],
)
def test_settings_that_a_caption_depends_on_are_in_the_fingerprint(
    change: dict[str, object], tmp_path: Path
) -> None:
    """Captions made before and after such a change are not mixed."""
    before = CaptioningConfig(model="a/a", engine="transformers")
    after = msgspec.structs.replace(before, **change)

    run = RunContext(folder=RunFolder(tmp_path, RunFile()), jobs=SEED_JOBS, prompts=load_prompts(SEED_JOBS))

    assert job_settings(run, before, SEED_JOBS) != job_settings(run, after, SEED_JOBS)


@pytest.mark.parametrize(
    "change",
    [
        {"jobs": ("single_en",)},
        {"sample": 7},
        {
            "server": ServerConfig(urls=("http://other:2",)),
            "timeout_s": 1.0,
            "max_attempts": 9,
            "max_in_flight": 2,
        },
        {"server": ServerConfig(urls=("http://h:1",), api_key_env="KEY")},
        {"retry_failed": True},
        {"transformers": TransformersConfig(device="cpu", batch_size=3)},
        {"max_side_px": 999},
        {"lmdeploy": LmdeployConfig(tp=4, max_batch=7)},
    ],
)
def test_settings_of_targets_and_speed_are_not_in_the_fingerprint(
    change: dict[str, object], tmp_path: Path
) -> None:
    """Nor is the batch size if servers are used, nor max_side_px if tiles are."""
    before = CaptioningConfig(model="a/a", engine="server", server=ServerConfig(urls=("http://h:1",)))
    after = msgspec.structs.replace(before, **change)

    run = RunContext(folder=RunFolder(tmp_path, RunFile()), jobs=SEED_JOBS, prompts=load_prompts(SEED_JOBS))

    assert job_settings(run, before, SEED_JOBS) == job_settings(run, after, SEED_JOBS)


def test_a_builtin_model_is_ignored_if_endpoints_are_given() -> None:
    """Endpoints serve their own model. Without them, it resolves to its folder in the package."""
    nano = CaptioningConfig(model="builtin:nano-internvl")
    asked = msgspec.structs.replace(nano, server=ServerConfig(urls=("http://h:1",)))

    assert None is asked.resolved().model
    assert Path(nano.resolved().model or "").is_dir()
    assert (False, False, True) == (asked.lacks_model, nano.lacks_model, CaptioningConfig().lacks_model)
