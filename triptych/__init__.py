"""Triptych turns a pile of images into a caption dataset.

The Python API: ``open_run`` gives a Run, whose stages are methods with typed results and whose records are
iterators; ``embed``, ``group``, ``caption`` and ``rows`` need no run folder. docs/python-api.md shows it.
Anything that isn't in ``__all__`` is internal. Names are imported on first use, which keeps ``import
triptych`` fast.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""``typing`` itself is not imported: that is slow, and Ctrl-C may arrive meanwhile."""

if TYPE_CHECKING:
    from triptych.api import Run
    from triptych.captioning.config import CaptioningConfig
    from triptych.captioning.engines.config import ServerConfig, TransformersConfig
    from triptych.captioning.library import caption
    from triptych.captioning.lmdeploy.config import LmdeployConfig
    from triptych.config import Config
    from triptych.errors import SetupError, TriptychError, UnreadableImageError, UsageError
    from triptych.export.library import CaptionedImages, rows
    from triptych.filtering.config import FilteringConfig
    from triptych.filtering.library import judge
    from triptych.filtering.rule import Rule
    from triptych.grouping.config import ScreensConfig, SetsConfig
    from triptych.grouping.library import Groups, embed, group
    from triptych.grouping.search import FoundImage, FoundSet
    from triptych.jobs import Job
    from triptych.languages import Language
    from triptych.opening import open_run
    from triptych.prompts import Naming, Prompt
    from triptych.records import Caption, Duplicate, ImageRecord, ImageSet, Measures, Screened, Verdict
    from triptych.results import (
        CaptionResult,
        ExportResult,
        FilterResult,
        GroupResult,
        RunResult,
        StageResult,
    )
    from triptych.runs.plan import Planned, Target
    from triptych.settings import load_config

__version__ = "0.1.0"

_NAMES = {
    "api": ["Run"],
    "captioning.config": ["CaptioningConfig"],
    "captioning.engines.config": ["ServerConfig", "TransformersConfig"],
    "captioning.library": ["caption"],
    "captioning.lmdeploy.config": ["LmdeployConfig"],
    "config": ["Config"],
    "errors": ["SetupError", "TriptychError", "UnreadableImageError", "UsageError"],
    "export.library": ["CaptionedImages", "rows"],
    "filtering.config": ["FilteringConfig"],
    "filtering.library": ["judge"],
    "filtering.rule": ["Rule"],
    "grouping.config": ["ScreensConfig", "SetsConfig"],
    "grouping.library": ["Groups", "embed", "group"],
    "grouping.search": ["FoundImage", "FoundSet"],
    "jobs": ["Job"],
    "languages": ["Language"],
    "opening": ["open_run"],
    "prompts": ["Naming", "Prompt"],
    "records": ["Caption", "Duplicate", "ImageRecord", "ImageSet", "Measures", "Screened", "Verdict"],
    "results": ["CaptionResult", "ExportResult", "FilterResult", "GroupResult", "RunResult", "StageResult"],
    "runs.plan": ["Planned", "Target"],
    "settings": ["load_config"],
}
"""Public names by the module of ``triptych`` that defines them."""

_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "Caption",
    "CaptionResult",
    "CaptionedImages",
    "CaptioningConfig",
    "Config",
    "Duplicate",
    "ExportResult",
    "FilterResult",
    "FilteringConfig",
    "FoundImage",
    "FoundSet",
    "GroupResult",
    "Groups",
    "ImageRecord",
    "ImageSet",
    "Job",
    "Language",
    "LmdeployConfig",
    "Measures",
    "Naming",
    "Planned",
    "Prompt",
    "Rule",
    "Run",
    "RunResult",
    "Screened",
    "ScreensConfig",
    "ServerConfig",
    "SetsConfig",
    "SetupError",
    "StageResult",
    "Target",
    "TransformersConfig",
    "TriptychError",
    "UnreadableImageError",
    "UsageError",
    "Verdict",
    "caption",
    "embed",
    "group",
    "judge",
    "load_config",
    "open_run",
    "rows",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'triptych' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"triptych.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
