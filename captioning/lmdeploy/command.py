"""Builds the command line of `lmdeploy serve api_server` for each group of GPUs.

Comes in: a model, a LmdeployConfig, GPUs. Goes out: groups, arguments and environments for lmdeploy 0.18.
lmdeploy isn't imported: that makes Pillow accept damaged images. Not its job: running the commands (see
server_process).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from triptych.captioning.lmdeploy.config import LmdeployConfig
from triptych.captioning.lmdeploy.gpus import Gpu, visible_gpus
from triptych.captioning.lmdeploy.server_process import LOOPBACK
from triptych.errors import SetupError
from triptych.executors import PLACED_GPUS

SERVE = ("-m", "lmdeploy", "serve", "api_server")
"""Arguments of Python that start a server."""

PLACED = ("-m", "triptych.executors.ray.placement_group")
"""Starts it where its GPUs may be those of several nodes."""


def groups_here(tp: int) -> list[tuple[Gpu, ...]]:
    """The GPUs of each server of this process; one empty group where Ray assigns the GPUs. Raises SetupError
    where there are too few."""
    return [()] if PLACED_GPUS in os.environ else gpu_groups(visible_gpus(), tp)


def gpu_groups(gpus: Sequence[Gpu], tp: int) -> list[tuple[Gpu, ...]]:
    """As many groups of ``tp`` GPUs as possible. Raises SetupError where that is none."""
    if not gpus:
        raise SetupError(
            "lmdeploy needs a GPU and this machine shows none (nvidia-smi, CUDA_VISIBLE_DEVICES);"
            " name endpoints on GPU machines with --server, or use --engine transformers"
        )
    if len(gpus) < tp:
        raise SetupError(
            f"--tp {tp} needs {tp} GPUs and this machine shows {len(gpus)} ({gpus[0].name});"
            " use a smaller --tp or a machine with more"
        )
    return [tuple(gpus[start : start + tp]) for start in range(0, len(gpus) - tp + 1, tp)]


def served_name(model: str) -> str:
    """The model's name over HTTP: the hub id, or the name of its folder."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else model


def serve_command(model: str, config: LmdeployConfig, port: int) -> list[str]:
    """The command line of one server."""
    folder = Path(model).expanduser()
    start = (*PLACED, *SERVE[1:]) if PLACED_GPUS in os.environ else SERVE
    command = [sys.executable, *start, str(folder) if folder.is_dir() else model]
    options: dict[str, object] = {
        "--model-name": served_name(model),
        "--server-name": LOOPBACK,
        "--server-port": port,
        "--backend": config.backend,
        "--tp": config.tp,
        "--cache-max-entry-count": config.cache_share,
        "--log-level": config.log_level,
        # Otherwise the model's own sampling defaults would fill in what a request leaves out.
        "--generation-config": "lmdeploy",
        "--session-len": config.session_len,
        "--max-batch-size": config.max_batch,
    }
    for option, value in options.items():
        if value is not None:
            command += [option, str(value)]
    if config.trust_remote_code:
        command.append("--trust-remote-code")
    return [*command, *config.extra_args]


def serve_environment(group: Sequence[Gpu]) -> Mapping[str, str]:
    """The environment of one server: its GPUs, quiet access logs, no threads that compete for cores.

    With an empty group it sees all GPUs of this machine: lmdeploy wants one at its start, and Ray assigns
    those that it uses.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
        "UVICORN_LOG_LEVEL": "warning",  # otherwise a line for each of millions of requests
    }
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if group:
        environment["RAY_ADDRESS"] = "local"  # its PyTorch engine would join a cluster that it finds
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpu.device for gpu in group)
    return environment
