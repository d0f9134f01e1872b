"""Size on disk and time of an installation: of the core, and of the core with each extra.

    python -m benchmarks.install_sizes [--extra NAME ...] [--cold]

Comes in: a wheel of this checkout, an empty environment for each. Goes out: megabytes (10^6 bytes) in
site-packages, number of packages, seconds of `uv pip install` with a filled cache (with ``--cold``: without
one), and seconds of `triptych --version` and `import triptych`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from benchmarks.record import ROOT, record, refuse_dirty_tree

CORE = "core"
MAX_CORE_MB = 400


def _uv(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], check=True, stdout=sys.stderr)


def _measure(wheel: Path, extra: str, folder: Path, cold: bool) -> dict[str, object]:
    """Install into a new environment in ``folder``."""
    wanted = wheel if extra == CORE else f"{wheel}[{extra}]"
    _uv("venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    _uv("pip", "install", "--quiet", "--python", python, wanted)  # fills the cache
    _uv("venv", "--quiet", "--clear", "--python", sys.executable, folder)
    began = time.perf_counter()
    _uv("pip", "install", "--quiet", "--python", python, *(["--no-cache"] if cold else []), wanted)
    took_s = time.perf_counter() - began
    (site,) = folder.glob("lib/python*/site-packages")
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        "size_mb": round(size / 1e6),
        "packages": len(list(site.glob("*.dist-info"))),
        "install_s": round(took_s, 1),
        "version_s": _median_s([folder / "bin" / "triptych", "--version"]),
        "import_s": _median_s([python, "-c", "import triptych"]),
    }


def _median_s(command: list[str | Path]) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return round(sorted(times)[2], 3)


def main() -> None:
    """Measure and record the result; exit 1 if the core is too large."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", action="append", choices=[CORE, *project["optional-dependencies"]])
    parser.add_argument("--cold", action="store_true")
    options = parser.parse_args()
    refuse_dirty_tree()
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.pop("PYTHONPATH", None)
    measured: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch],
            cwd=ROOT,
            check=True,
            stdout=sys.stderr,
        )
        (wheel,) = Path(scratch).glob("*.whl")
        for extra in options.extra or [CORE, *project["optional-dependencies"]]:
            with tempfile.TemporaryDirectory() as folder:
                measured[extra] = _measure(wheel, extra, Path(folder), options.cold)
    record(
        "install_sizes",
        "python -m benchmarks.install_sizes",
        {**measured, "install": "cold" if options.cold else "from uv's cache", "most_core_mb": MAX_CORE_MB},
    )
    core = measured.get(CORE)
    sys.exit(1 if isinstance(core, dict) and core["size_mb"] > MAX_CORE_MB else 0)


if __name__ == "__main__":
    main()
