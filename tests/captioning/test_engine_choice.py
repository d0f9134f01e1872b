"""Which engine ``auto`` chooses, and which problems are found before hours of other work."""

from __future__ import annotations

import importlib.util
import re
import resource
from pathlib import Path

import pytest

from tests.support.fake_gpus import show_gpus
from tests.support.scripted_endpoint import ScriptedEndpoint
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.engine import CaptionRequest
from triptych.captioning.engine_choice import check_engine, choose_engine, open_engine
from triptych.captioning.engines.config import ServerConfig
from triptych.errors import SetupError, UsageError

needs_lmdeploy = pytest.mark.skipif(
    importlib.util.find_spec("lmdeploy") is None, reason="lmdeploy is not installed"
)


OWN_ENGINE = """
import msgspec
from triptych.captioning.engine import Completion
from triptych.captioning.engines import EngineSpec

class ParrotConfig(msgspec.Struct, forbid_unknown_fields=True):
    words: str

class Parrot:
    group_size = concurrency = slots = 1
    identity = {}

    def __init__(self, words):
        self.words = words

    def caption(self, requests):
        return [Completion(id=request.id, text=self.words, finish_reason="stop") for request in requests]

PARROT = EngineSpec(
    name="parrot",
    config=ParrotConfig,
    open=lambda model, config, limits, logs, say: Parrot(config.words),
    check=lambda model, config: None,
    needs_model=False,
)
"""
REQUEST = {"id": "a", "prompt": "Describe the image.", "images": (b"",), "max_tokens": 1}


def chosen(config: CaptioningConfig, begun_with: str | None = None) -> tuple[str, str]:
    """The chosen engine and the reason."""
    changed, why = choose_engine(config, begun_with)
    return changed.engine, why


def hide_gpus(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Remove the driver's tool from the PATH."""
    monkeypatch.setenv("PATH", str(folder))


def test_auto_prefers_given_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if there is a GPU."""
    show_gpus(monkeypatch, tmp_path, 1)

    assert ("server", "auto: servers are given") == chosen(
        CaptioningConfig(server=ServerConfig(urls=("http://h:1",)))
    )


@needs_lmdeploy
def test_auto_chooses_lmdeploy_if_there_is_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the GPUs."""
    show_gpus(monkeypatch, tmp_path, 8)

    assert ("lmdeploy", "auto: 8 x NVIDIA H100 80GB HBM3") == chosen(CaptioningConfig(model="a/b"))


def test_auto_chooses_transformers_if_there_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason says so."""
    hide_gpus(monkeypatch, tmp_path)

    found = chosen(CaptioningConfig(model="a/b"))

    assert ("transformers", "auto: no server is given and this machine shows no GPU") == found


@pytest.mark.parametrize("version", [None, "0.9.1", "0.19.0"])
def test_an_untested_or_missing_lmdeploy_is_not_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    """If it is named, it is refused."""
    from importlib import metadata

    def installed(name: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    show_gpus(monkeypatch, tmp_path, 1)
    monkeypatch.setattr(metadata, "version", installed)
    reason = (
        "lmdeploy is not installed" if version is None else f"lmdeploy is {version}, and Triptych starts 0.18"
    )

    engine, why = chosen(CaptioningConfig(model="a/b"))

    assert "transformers" == engine
    assert reason in why
    with pytest.raises(SetupError, match=reason):
        check_engine(CaptioningConfig(engine="lmdeploy", model="a/b"))


def test_auto_chooses_transformers_if_the_driver_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason quotes the driver."""
    show_gpus(monkeypatch, tmp_path, 0)

    engine, why = chosen(CaptioningConfig(model="a/b"))

    assert "transformers" == engine
    assert "nvidia-smi does not list the GPUs" in why


def test_a_run_continues_with_the_engine_that_began_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a finished run can be opened on a machine without a GPU."""
    hide_gpus(monkeypatch, tmp_path)

    assert ("lmdeploy", "auto: this run was begun with it") == chosen(
        CaptioningConfig(model="a/b"), "lmdeploy"
    )


def test_a_named_engine_is_used_without_a_reason() -> None:
    """The config is unchanged."""
    config = CaptioningConfig(engine="transformers", model="a/b")

    assert (config, "") == choose_engine(config, "lmdeploy")


def test_a_users_engine_is_loaded_from_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its EngineSpec is named as MODULE:OBJECT, and its settings are a table of their own."""
    (tmp_path / "my_engines.py").write_text(OWN_ENGINE)
    monkeypatch.syspath_prepend(tmp_path)
    config = CaptioningConfig(engine="my_engines:PARROT", own_engine={"words": "a parrot"})

    engine = open_engine(config, tmp_path, print)

    assert ["a parrot"] == [each.text for each in engine.caption([CaptionRequest(**REQUEST)])]
    with pytest.raises(UsageError, match=r"own_engine, of my_engines:PARROT: Object contains unknown"):
        check_engine(CaptioningConfig(engine="my_engines:PARROT", own_engine={"word": "a"}))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "no_such_module:SPEC",
            "No module named 'no_such_module'); expected MODULE:OBJECT, an EngineSpec in a module that is",
        ),
        ("os:no_such_name", "module 'os' has no attribute 'no_such_name'"),
        ("broken_engines:SPEC", "can't be loaded (RuntimeError: half)"),
        ("os:path", "captioning.engine os:path is a module, expected an EngineSpec"),
    ],
)
def test_an_engine_that_cannot_be_loaded_is_reported_in_one_line(
    name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any work starts."""
    (tmp_path / "broken_engines.py").write_text("raise RuntimeError('half')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=re.escape(reason)):
        check_engine(CaptioningConfig(engine=name))


@needs_lmdeploy
def test_lmdeploy_without_a_gpu_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do instead."""
    hide_gpus(monkeypatch, tmp_path)

    with pytest.raises(SetupError, match="lmdeploy needs a GPU and this machine shows none"):
        check_engine(CaptioningConfig(engine="lmdeploy", model="a/b"))


def test_opening_an_engine_raises_the_limit_of_open_files(tmp_path: Path) -> None:
    """To the hard limit: shells set 1,024, and each connection is an open file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        with ScriptedEndpoint() as endpoint:
            config = CaptioningConfig(engine="server", server=ServerConfig(urls=(endpoint.url,)))
            open_engine(config, tmp_path, lambda _: None).close()
        assert (hard, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
