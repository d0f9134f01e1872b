"""The three nano models that ship inside the package: a CLIP, a captioner and a checker.

Their names in a config, such as ``builtin:nano-clip``, stand for their folders, so that a run's config
doesn't hold the path of an installation. They were trained on the demo's drawn scenes and know nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from triptych.errors import UsageError

_FOLDERS = {
    "builtin:nano-clip": "nano_clip",
    "builtin:nano-internvl": "nano_internvl",
    "builtin:nano-checker": "nano_checker",
}

EMBEDDED = tuple(_FOLDERS)
"""The names of all."""

CAUTION = (
    "the embedded nano models know nothing but the demo's drawn scenes:"
    " their captions of any other picture mean nothing"
)


def resolve_model(name: str) -> str:
    """The folder of an embedded model; any other name as it is. Raises UsageError for an unknown builtin."""
    if not name.startswith("builtin:"):
        return name
    if name not in _FOLDERS:
        raise UsageError(f"unknown embedded model {name}; there are {', '.join(_FOLDERS)}")
    return str(Path(__file__).parent / _FOLDERS[name])


def is_embedded(name: str | None) -> TypeGuard[str]:
    """Whether a config names one of the embedded models."""
    return name is not None and name.startswith("builtin:")
