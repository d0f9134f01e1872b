"""What `triptych doctor` finds: one answer a question. Not its job: asking (see doctor, and the engines)."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "missing", "failed"]


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question. ``missing`` limits what can run; ``failed`` means that nothing can."""

    name: str
    level: Level
    found: str
    advice: str = ""
