"""The engine that marks its captions (see tests.crash.engine), but slower, and with fatal requests.

The environment names the fatal requests, as the workers of a cluster have the same one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tests.crash.engine import SPEC as MARKS
from tests.crash.engine import MarkingEngine
from triptych.captioning.engine import BusyMeter, CaptionRequest, Completion

DIES_OF = "TRIPTYCH_TESTS_DIES_OF"
"""The environment variable that names a file with the ids of fatal requests, one per line."""

ANSWERS_IN_S = 0.03


class SlowEngine(MarkingEngine):
    """Takes ANSWERS_IN_S for each request, and ends its process at a fatal one."""

    def __init__(self) -> None:
        super().__init__()
        self._meter = BusyMeter()

    def slot_s(self) -> float:
        return self._meter.slot_s()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        with self._meter.slot():
            time.sleep(ANSWERS_IN_S)
        fatal = Path(os.environ[DIES_OF]).read_text().split() if DIES_OF in os.environ else []
        if any(request.id in fatal for request in requests):
            os._exit(9)
        return super().caption(requests)


SPEC = msgspec.structs.replace(
    MARKS, name="slow marks", open=lambda model, config, limits, logs, say: SlowEngine()
)
