"""Lists the GPUs of this machine with nvidia-smi, without heavy imports.

Comes in: CUDA_VISIBLE_DEVICES, if it is set. Goes out: the GPUs that a process started here would see, in its
order. Not its job: whether a model fits (see spec).
"""

from __future__ import annotations

import os

import msgspec

from triptych.errors import SetupError

QUERY_TIMEOUT_S = 20.0
"""Waking up a sleeping GPU takes the driver some seconds."""


class Gpu(msgspec.Struct, frozen=True):
    """One GPU. ``device`` is its entry in CUDA_VISIBLE_DEVICES."""

    device: str
    name: str
    memory_bytes: int
    free_bytes: int


def visible_gpus() -> list[Gpu]:
    """The GPUs that may be used; none without a driver. Raises SetupError where nvidia-smi fails.

    Numbers in CUDA_VISIBLE_DEVICES are read as nvidia-smi's, in the order of the PCI bus: set
    CUDA_DEVICE_ORDER=PCI_BUS_ID for a process on one of these GPUs.
    """
    import shutil
    import subprocess

    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=index,uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise SetupError(
            f"nvidia-smi does not list the GPUs ({error}); check the driver, or name endpoints with --server"
        ) from None
    return _chosen(answer.stdout, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _chosen(listed: str, wanted: str | None) -> list[Gpu]:
    """The GPUs in nvidia-smi's output that ``wanted`` names, in that order; None: all."""
    by_name: dict[str, Gpu] = {}
    for line in listed.strip().splitlines():
        index, uuid, name, *memory = (field.strip() for field in line.split(","))
        total, free = (int(mib) * 1024**2 if mib.isdecimal() else 0 for mib in memory)
        by_name[index] = by_name[uuid] = Gpu(index, name, total, free)
    if wanted is None:
        return list(dict.fromkeys(by_name.values()))
    chosen: list[Gpu] = []
    for word in (word.strip() for word in wanted.split(",")):
        found = [
            gpu for name, gpu in by_name.items() if name == word or (name.startswith(word) and "-" in word)
        ]
        if not found:  # like CUDA, ignore what follows an unknown name
            break
        chosen.append(msgspec.structs.replace(found[0], device=word))
    return chosen
