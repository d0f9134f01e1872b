"""A fake nvidia-smi, for tests on machines without GPUs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

MEMORY_MIB = 81559


def show_gpus(monkeypatch: pytest.MonkeyPatch, folder: Path, count: int) -> None:
    """Put an nvidia-smi that lists ``count`` GPUs first on the PATH; 0: one that fails."""
    lines = [f"{n}, GPU-{n}a, NVIDIA H100 80GB HBM3, {MEMORY_MIB}, {MEMORY_MIB - 500}" for n in range(count)]
    tool = folder / "nvidia-smi"
    text = "\n".join(lines)
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n" if count else "#!/bin/sh\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
