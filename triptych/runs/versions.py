"""The installed versions of the packages that shape a run's output.

Goes out: names and versions, without importing the packages. Not its job: comparing them.
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
    """The versions of those packages that are installed, by name."""
    from importlib import metadata  # takes as long to import as all of `--help`

    versions: dict[str, str] = {}
    for name in _RECORDED_VERSIONS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions
