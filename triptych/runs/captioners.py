"""The names of the models that wrote a run's captions.

Comes in: the settings of the captions stage. Goes out: names, the served one if a server names its model.
Not its job: which settings there are (see captioning).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from triptych.runs.folder import Setting

_MODEL_SETTING = re.compile(r"(?:served_model|model)(?:_|$)")
"""A setting that names a model: of all jobs, or of one job, whose name follows."""


def captioners(settings: Mapping[str, Setting]) -> list[str]:
    """The name of each model, once. For a local model, whose setting is path and hash, the folder's name.

    >>> captioners({"model": None, "served_model_single_en": "acme/a", "served_model_single_zh": "acme/b"})
    ['acme/a', 'acme/b']
    """
    found = filter(_MODEL_SETTING.match, settings)
    jobs = dict.fromkeys(key.removeprefix("served_model").removeprefix("model") for key in found)
    names = (_name(settings.get(f"served_model{of}") or settings.get(f"model{of}")) for of in jobs)
    return [name for name in dict.fromkeys(names) if name]


def _name(value: Setting) -> str:
    name = str(value or "").partition(", ")[0]
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name
