"""The state of a run at work, which the live page polls.

Comes in: a run folder that another process may be writing to. Goes out: a State: stages, counts from
run.json, the speed of the last minute, the time left, the last captions and failures. No lock is taken.
run.json is read again when it has changed, journals when they have grown; everything is counted only if
run.json has no counts. Not its job: pictures (see pictures), samples (see samples).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import msgspec

from triptych.api import Run
from triptych.captioning.metrics import from_notes
from triptych.errors import SetupError, TriptychError
from triptych.opening import open_run
from triptych.report.live.arrivals import Arrival, Arrivals
from triptych.runs.jsonl import UNDECODABLE
from triptych.runs.ledger import Ledger, total_of
from triptych.runs.lock import LockOwner
from triptych.runs.run_file import RUN_FILE_NAME
from triptych.runs.stage_record import STAGE_NAMES, Setting
from triptych.runs.staleness import stale_stages

FRESH_FOR_S = 0.9
"""Requests within this time get the same state."""

COUNTING_SHARE = 0.05
"""The largest share of the time that is spent on counting, if run.json has no counts."""


class StageNow(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: ``not begun``, ``begun``, ``finished`` or ``stale``, and its speed as noted."""

    name: str
    state: str
    note: str = ""


class JobNow(msgspec.Struct, frozen=True, kw_only=True):
    """One job. None means unknown."""

    job: str
    planned: int | None
    captioned: int | None
    failed: int | None
    left: int | None
    answers_per_s: float | None
    """Captions and failures in the last minute; if there were none, the average of the job's captions."""
    left_s: float | None


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a poll."""

    at_work: str
    """The process that works on the run; empty if there is none."""
    counted_s_ago: float | None
    """The age of the counts; None if there are none."""
    stages: list[StageNow]
    images: int | None
    jobs: list[JobNow]
    captions: list[Arrival]
    failures: list[Arrival]
    trouble: str
    """Why the state can't be read; empty if it can."""
    has_samples: bool = False
    """Whether a new page would have samples."""


class Watch:
    """Looks at one run folder, at most once in FRESH_FOR_S. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Raises SetupError if ``path`` is not a run."""
        self._path = path
        self._opening, self._looking = threading.Lock(), threading.Lock()
        self._stamp = self._run_stamp()
        self._run = open_run(path, read_only=True)
        self._arrivals = Arrivals()
        self._counted: Run | None = None
        """The run that ``_ledger`` was counted for."""
        self._ledger: Ledger | None = None
        self._counted_at = 0.0
        self._count_next_at = 0.0
        self._looked_at = -FRESH_FOR_S
        self._trouble = ""

    @property
    def run(self) -> Run:
        """The run as it is now, opened read-only."""
        with self._opening:
            stamp = self._run_stamp()
            if stamp != self._stamp:
                self._run, self._stamp = open_run(self._path, read_only=True), stamp
            return self._run

    def state(self, after: int = 0) -> State:
        """The current state, with the captions and failures whose number is above ``after``."""
        with self._looking:
            if time.monotonic() - self._looked_at >= FRESH_FOR_S:
                self._look()
            return self._state(after)

    def _look(self) -> None:
        try:
            run = self.run
            self._count(run)
            self._arrivals.look(run.folder, [job.name for job in run.jobs])
            self._trouble = ""
        except (TriptychError, OSError) as error:  # files that are being replaced, or damaged
            self._trouble = str(error)
        self._looked_at = time.monotonic()

    def _run_stamp(self) -> tuple[int, int]:
        try:
            status = (self._path / RUN_FILE_NAME).stat()
        except FileNotFoundError:
            raise SetupError(
                f"{self._path} is not a run folder (no {RUN_FILE_NAME});"
                f" `triptych run SOURCE... --out {self._path}` creates one",
                path=self._path,
            ) from None
        return status.st_mtime_ns, status.st_size

    def _count(self, run: Run) -> None:
        """Take the noted counts, or else count everything, for COUNTING_SHARE of the time at most."""
        if self._counted is run:
            return
        began = time.monotonic()
        noted = run.noted_ledger()
        if noted is None and began < self._count_next_at:
            return
        self._ledger, self._counted_at, self._counted = noted or run.ledger(), time.time(), run
        if noted is None:
            now = time.monotonic()
            self._count_next_at = now + (now - began) / COUNTING_SHARE

    def _state(self, after: int) -> State:
        return State(
            at_work=owner_of(self._path),
            counted_s_ago=None if self._ledger is None else round(time.time() - self._counted_at, 1),
            stages=self._stages(),
            images=None if self._ledger is None else self._ledger.images.found,
            jobs=self._jobs(),
            captions=[each for each in self._arrivals.captions if each.number > after],
            failures=[each for each in self._arrivals.failures if each.number > after],
            trouble=self._trouble,
        )

    def _stages(self) -> list[StageNow]:
        found, stale = self._run.folder.run_file.stages, stale_stages(self._run.folder)
        stages = []
        for name in STAGE_NAMES:
            state = found.get(name)
            word = "not begun" if state is None else "finished" if state.finished else "begun"
            stages.append(
                StageNow(
                    name=name,
                    state="stale" if name in stale else word,
                    note=_pace_of_embedding(state.notes) if state is not None and word == "begun" else "",
                )
            )
        return stages

    def _jobs(self) -> list[JobNow]:
        captions = self._run.folder.run_file.stages.get("captions")
        jobs = []
        for name, counts in (self._ledger.jobs if self._ledger is not None else {}).items():
            overall = from_notes(name, captions.notes if captions is not None else {}).rate
            per_s, left = self._arrivals.answers_per_s(name) or overall or None, counts.pending
            jobs.append(
                JobNow(
                    job=name,
                    planned=counts.planned,
                    captioned=counts.captioned,
                    failed=total_of(counts.failed),
                    left=left,
                    answers_per_s=per_s,
                    left_s=left / per_s if left is not None and per_s else None,
                )
            )
        return jobs


def owner_of(path: Path) -> str:
    """The process that works on the run, from its lock file; empty if it has ended."""
    try:
        owner = msgspec.json.decode((path / ".lock").read_bytes(), type=LockOwner)
    except (OSError, *UNDECODABLE):
        return ""
    if owner.host == socket.gethostname():
        try:
            os.kill(owner.pid, 0)  # signal 0 only checks that it exists
        except ProcessLookupError:
            return ""
        except OSError:
            pass
    return f"process {owner.pid} on {owner.host} since {owner.since}"


def _pace_of_embedding(notes: dict[str, Setting]) -> str:
    shards, per_s = notes.get("shards_whole"), notes.get("images_per_s")
    return f"{shards} shards, {per_s} images/s" if shards and per_s else ""
