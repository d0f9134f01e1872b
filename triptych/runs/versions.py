"""Which versions of what shapes a run's output are installed.

Goes out: names and versions, without importing any of it. Not its job: comparing them.
"""

from __future__ import annotations

import contextlib
from functools import cache

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


@cache
def installed_versions() -> dict[str, str]:
    """The versions of what shapes a run's output, without importing any of it."""
    from importlib import metadata  # it takes as long as all of `--help`

    versions: dict[str, str] = {}
    for name in _RECORDED_VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
