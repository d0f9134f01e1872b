"""The settings of the canary.

Comes in: the table ``captioning.canary`` of a config. Goes out: a validated, frozen Struct. Not its job:
asking (see watched_engine).
"""

from __future__ import annotations

import msgspec

from triptych.captioning.engines import check_setting


class CanaryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often engines are asked about pictures with known contents. Raises UsageError for invalid
    values."""

    every_s: float = 1800.0
    """The interval; the first canary is at the start of a command. 0: never."""

    def __post_init__(self) -> None:
        check_setting(self.every_s >= 0, "canary.every_s", self.every_s, "0 or more seconds")
