"""Which models wrote a run's captions, by the names under which they are known.

Comes in: the settings of the captions stage. Goes out: names, the served one where a server names its model.
Not its job: which settings there are (see captioning).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from triptych.runs.folder import Setting

_SERVED = "served_model"
_MODEL = "model"
_OF_A_MODEL = re.compile(rf"(?:{_SERVED}|{_MODEL})(?:_|$)")
"""Of all jobs, or of one, whose name goes on behind it."""


def captioners(settings: Mapping[str, Setting]) -> list[str]:
    """Each once. A folder's setting goes on with a hash, and is cut down to its last name.

    >>> captioners({"model": None, "served_model_single_en": "acme/a", "served_model_single_zh": "acme/b"})
    ['acme/a', 'acme/b']
    """
    jobs = {
        key.removeprefix(_SERVED).removeprefix(_MODEL): None for key in settings if _OF_A_MODEL.match(key)
    }
    names = (_name(settings.get(_SERVED + of) or settings.get(_MODEL + of)) for of in jobs)
    return [name for name in dict.fromkeys(names) if name]


def _name(value: Setting) -> str:
    name = str(value or "").partition(", ")[0]
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name
