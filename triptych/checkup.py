"""What this machine can run, what is missing, and what to install: the content of `triptych doctor`.

Comes in: nothing but the machine. Goes out: one Finding a question. Nothing heavy is imported:
packages are looked up, GPUs are asked of the driver's own tool. Not its job: trying a model out.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from triptych.embedded import resolve_model

Level = Literal["ok", "missing", "failed"]

_ALWAYS_NEEDED = (
    "open_clip_torch",
    "faiss-cpu",
    "imagehash",
    "torch",
    "transformers",
    "pillow",
    "msgspec",
    "httpx",
)


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question. ``missing`` limits what can run; ``failed`` means that nothing can."""

    name: str
    level: Level
    found: str
    advice: str = ""


def examine(folder: Path) -> list[Finding]:
    """All findings; ``folder`` is where run folders would be, for its free space."""
    return [
        Finding("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("cpu", "ok", f"{len(os.sched_getaffinity(0))} cores, {_memory_gib():.0f} GiB of memory"),
        _gpus(),
        *(_package(name) for name in _ALWAYS_NEEDED),
        _lmdeploy(),
        *(_embedded(name) for name in ("builtin:nano-clip", "builtin:nano-internvl")),
        _disk(folder),
    ]


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3


def _gpus() -> Finding:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return Finding(
            "gpu", "missing", "none (no nvidia-smi)",
            "the transformers engine captions on the CPU; for real models name GPU machines with --server",
        )  # fmt: skip
    query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        return Finding("gpu", "missing", f"nvidia-smi does not answer ({error})", "look at the driver")
    return Finding("gpu", "ok", "; ".join(answer.stdout.strip().splitlines()))


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "failed", "not installed", f"{sys.executable} -m pip install triptych")


def _lmdeploy() -> Finding:
    try:
        return Finding("lmdeploy", "ok", metadata.version("lmdeploy"))
    except metadata.PackageNotFoundError:
        return Finding(
            "lmdeploy", "missing", "not installed",
            "needed only to serve models on this machine's GPUs: pip install 'triptych[lmdeploy]'",
        )  # fmt: skip


def _embedded(name: str) -> Finding:
    weights = sorted(Path(resolve_model(name)).glob("*.safetensors"))
    if not weights:
        return Finding(name, "failed", "no weights", "install Triptych again: its package is incomplete")
    size_mb = sum(path.stat().st_size for path in weights) / 1e6
    return Finding(name, "ok", f"{size_mb:.1f} MB (for the demo only)")


def _disk(folder: Path) -> Finding:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    found = f"{free_gb:,.0f} GB free at {existing}"
    # 11M rows of about 1 KB in two places, and 11M x 512 float16 embeddings: 35 GB (the sa1b preset).
    if free_gb < 1:
        return Finding("disk", "failed", found, "free some space: a run needs at least 1 GB")
    if free_gb < 40:
        return Finding("disk", "missing", found, "enough for small runs; all of SA-1B needs about 40 GB")
    return Finding("disk", "ok", found)
