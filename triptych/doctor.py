"""What this machine can run, what is missing, and what to install: the first half of `triptych doctor`.

Comes in: nothing but the machine. Goes out: one Finding a question. Nothing heavy is imported:
packages are looked up, GPUs are asked of the driver's own tool. Not its job: whether captioning can begin
with a config (see doctor_captioning).
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path

from triptych.captioning.lmdeploy.gpus import visible_gpus
from triptych.captioning.lmdeploy.spec import installation_fault
from triptych.errors import SetupError
from triptych.findings import Finding
from triptych.models import resolve_model

_ALWAYS_NEEDED = (
    "open_clip_torch",
    "faiss-cpu",
    "imagehash",
    "torch",
    "transformers",
    "pillow",
    "msgspec",
    "aiohttp",
    "httpx",
)


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
    try:
        gpus = visible_gpus()
    except SetupError as error:
        return Finding("gpu", "missing", str(error))
    if not gpus:
        return Finding(
            "gpu", "missing", "none (no nvidia-smi, or none in CUDA_VISIBLE_DEVICES)",
            "the transformers engine captions on the CPU; for real models name GPU machines with --server",
        )  # fmt: skip
    return Finding("gpu", "ok", "; ".join(f"{g.name}, {g.memory_bytes / 1024**3:.0f} GiB" for g in gpus))


def _package(name: str) -> Finding:
    try:
        return Finding(name, "ok", metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "failed", "not installed", f"{sys.executable} -m pip install triptych")


def _lmdeploy() -> Finding:
    fault = installation_fault()
    if fault is None:
        return Finding("lmdeploy", "ok", metadata.version("lmdeploy"))
    advice = "needed only to serve models on this machine's GPUs: pip install 'triptych[lmdeploy]'"
    return Finding("lmdeploy", "missing", fault, advice)


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
