"""Which versions of which packages shape a run's output."""

from __future__ import annotations

import contextlib
from importlib import metadata

_RECORDED_VERSIONS = (
    "triptych",
    "lmdeploy",
    "open_clip_torch",
    "faiss-cpu",
    "imagehash",
    "pillow",
    "pyarrow",
    "torch",
    "transformers",
    "rensa",
    "py3langid",
    "opencc",
)


def installed_versions() -> dict[str, str]:
    """The versions of what shapes a run's output, without importing any of it."""
    versions: dict[str, str] = {}
    for name in _RECORDED_VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
