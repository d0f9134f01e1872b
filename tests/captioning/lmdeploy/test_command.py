"""Command lines, GPU groups and ports of the servers that Triptych starts."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_gpus import show_gpus
from tests.support.lmdeploy_on_cpu import ROOT
from triptych.captioning.lmdeploy.command import (
    gpu_groups,
    groups_here,
    serve_command,
    serve_environment,
    served_name,
)
from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.gpus import visible_gpus
from triptych.captioning.lmdeploy.server_process import reserved_ports
from triptych.errors import SetupError, UsageError
from triptych.executors import PLACED_GPUS


def devices(*arguments: object) -> list[tuple[str, ...]]:
    """The GPUs of each group, as CUDA_VISIBLE_DEVICES names them."""
    return [tuple(gpu.device for gpu in group) for group in gpu_groups(*arguments)]


@pytest.mark.skipif(importlib.util.find_spec("lmdeploy") is None, reason="lmdeploy is not installed")
def test_lmdeploys_own_parser_understands_the_command_line(tmp_path: Path) -> None:
    """With every option that Triptych can set."""
    model = tmp_path / "InternVL3-8B"
    model.mkdir()
    config = LmdeployConfig(
        backend="pytorch",
        tp=2,
        session_len=8192,
        cache_share=0.7,
        max_batch=96,
        log_level="ERROR",
        trust_remote_code=True,
        extra_args=("--quant-policy", "8"),
    )
    arguments = serve_command(str(model), config, 23335)
    assert [sys.executable, "-m", "lmdeploy", "serve", "api_server"] == arguments[:5]

    printed = subprocess.run(
        [sys.executable, "-m", "tests.support.lmdeploy_serve_on_cpu", *arguments[3:]],
        env=os.environ | {"PARSE_ONLY": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    understood = json.loads(printed.stdout.splitlines()[-1])
    expected = {
        "model_path": str(model),
        "model_name": "InternVL3-8B",
        "server_name": "127.0.0.1",
        "server_port": 23335,
        "backend": "pytorch",
        "tp": 2,
        "session_len": 8192,
        "cache_max_entry_count": 0.7,
        "max_batch_size": 96,
        "log_level": "ERROR",
        "generation_config": "lmdeploy",
        "trust_remote_code": True,
        "quant_policy": 8,
    }
    assert expected == {name: understood[name] for name in expected}


def test_unset_options_are_left_to_lmdeploy() -> None:
    """The command line doesn't contain them."""
    command = serve_command("OpenGVLab/InternVL3-8B-hf", LmdeployConfig(), 1)

    assert not {"--session-len", "--max-batch-size", "--trust-remote-code", "None"} & set(command)
    assert "OpenGVLab/InternVL3-8B-hf" == served_name("OpenGVLab/InternVL3-8B-hf")


def test_gpus_are_divided_into_groups_of_tp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remaining GPUs stay idle."""
    show_gpus(monkeypatch, tmp_path, 5)

    assert [("0",), ("1",), ("2",), ("3",), ("4",)] == devices(visible_gpus(), 1)
    assert [("0", "1"), ("2", "3")] == devices(visible_gpus(), 2)
    with pytest.raises(SetupError, match="--tp 8 needs 8 GPUs and this machine shows 5"):
        gpu_groups(visible_gpus(), 8)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("3,1", ["3", "1"]), ("GPU-2a,0", ["GPU-2a", "0"]), ("", []), ("1,7,2", ["1"])],
)
def test_cuda_visible_devices_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str, expected: list[str]
) -> None:
    """By number or UUID, in its order. As in CUDA, devices after an unknown name are ignored."""
    show_gpus(monkeypatch, tmp_path, 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    assert expected == [gpu.device for gpu in visible_gpus()]


def test_a_server_sees_the_gpus_of_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it starts no threads that would compete for the cores."""
    show_gpus(monkeypatch, tmp_path, 4)

    environment = serve_environment(gpu_groups(visible_gpus(), 2)[1])

    assert ("2,3", "1") == (environment["CUDA_VISIBLE_DEVICES"], environment["OMP_NUM_THREADS"])


def test_gpus_assigned_by_ray_are_not_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is one server. It joins the cluster before lmdeploy does, and sees the GPUs of its node."""
    show_gpus(monkeypatch, tmp_path, 0)
    monkeypatch.setenv(PLACED_GPUS, "10.0.0.1:6379 space name")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    (group,) = groups_here(16)
    command = serve_command("some/model", LmdeployConfig(backend="pytorch", tp=16), 1)

    assert ["-m", "triptych.executors.ray.placement_group", "lmdeploy", "serve", "api_server"] == command[1:6]
    assert not {"CUDA_VISIBLE_DEVICES", "RAY_ADDRESS"} & set(serve_environment(group))


def test_a_machine_without_a_gpu_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With what to do instead."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SetupError, match=r"lmdeploy needs a GPU and this machine shows none.*--server"):
        gpu_groups(visible_gpus(), 1)


def test_two_runs_never_reserve_the_same_port() -> None:
    """Although neither listens there yet. A port that is closed is free again."""
    with reserved_ports(3) as first, reserved_ports(3) as second:
        assert not set(first) & set(second)
        with pytest.raises(SetupError, match=f"port {first[0]} is in use"), reserved_ports(1, first[0]):
            pass

    with reserved_ports(1, first[0]) as again:
        assert first[:1] == again


def test_a_port_in_use_is_refused() -> None:
    """Whichever program listens there. If no number is given, another port is chosen."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.getsockname()[1]

        with pytest.raises(SetupError, match=f"port {number} is in use"), reserved_ports(1, number):
            pass
        with reserved_ports(1) as other:
            assert [number] != other


def test_a_server_can_listen_at_a_reserved_port() -> None:
    """Also again after it has died. No other process can bind it in between."""
    with reserved_ports(1) as reserved:
        for _ in range(2):
            with socket.create_server(("127.0.0.1", reserved[0])) as server:
                socket.create_connection(server.getsockname()).close()
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", reserved[0]))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"tp": 3}, r"captioning.lmdeploy.tp is 3; expected a power of two"),
        ({"cache_share": 1.5}, r"cache_share is 1.5; expected more than 0, less than 1"),
        ({"session_len": 0}, r"session_len is 0; expected 1 or more"),
    ],
)
def test_an_invalid_setting_is_refused(setting: dict[str, object], message: str) -> None:
    """Before anything is started."""
    with pytest.raises(UsageError, match=message):
        LmdeployConfig(**setting)
