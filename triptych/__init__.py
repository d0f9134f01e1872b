"""Triptych turns a pile of images into a caption dataset.

The Python API: ``open_run`` gives a Run, whose stages are methods with typed results and whose records are
iterators; docs/python-api.md shows it. What isn't in ``__all__`` is implementation. Names are imported when
they are first used, so that ``import triptych`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.config import Config, load_config
    from triptych.errors import SetupError, TriptychError, UnreadableImageError, UsageError
    from triptych.jobs import Job
    from triptych.languages import Language
    from triptych.opening import open_run
    from triptych.prompts import Naming, Prompt
    from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Verdict
    from triptych.results import (
        CaptionResult,
        ExportResult,
        FilterResult,
        GroupResult,
        RunResult,
        StageResult,
    )
    from triptych.runs.plan import Planned, Target

__version__ = "0.1.0"

_MODULE_OF = {
    "Run": "api",
    "open_run": "opening",
    **dict.fromkeys(("Config", "load_config"), "config"),
    **dict.fromkeys(("SetupError", "TriptychError", "UnreadableImageError", "UsageError"), "errors"),
    "Job": "jobs",
    "Language": "languages",
    **dict.fromkeys(("Naming", "Prompt"), "prompts"),
    **dict.fromkeys(("Caption", "Duplicate", "ImageRecord", "ImageSet", "Verdict"), "records"),
    **dict.fromkeys(
        ("CaptionResult", "ExportResult", "FilterResult", "GroupResult", "RunResult", "StageResult"),
        "results",
    ),
    **dict.fromkeys(("Planned", "Target"), "runs.plan"),
}

__all__ = [
    "Caption",
    "CaptionResult",
    "Config",
    "Duplicate",
    "ExportResult",
    "FilterResult",
    "GroupResult",
    "ImageRecord",
    "ImageSet",
    "Job",
    "Language",
    "Naming",
    "Planned",
    "Prompt",
    "Run",
    "RunResult",
    "SetupError",
    "StageResult",
    "Target",
    "TriptychError",
    "UnreadableImageError",
    "UsageError",
    "Verdict",
    "load_config",
    "open_run",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'triptych' has no attribute {name!r}")
    return getattr(import_module(f"triptych.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
