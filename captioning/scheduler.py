"""Keeps an engine busy with the groups of a job, and writes what comes back.

Comes in: groups, a way to make requests, an engine. Goes out: journals in which every caption that was
counted is on disk, a few commits a second. Threads take a group each, make its requests, ask, and hand
the rows to the caller's thread, which writes. As many groups are with the engine as it wants, and a few
more are being decoded ahead; requests in memory are bounded in bytes. Interrupted once (see interrupts):
groups with the engine are finished and written, those that only wait are dropped. Not its job: which
groups.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator

import msgspec

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Group
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.journals import Journals
from triptych.captioning.regenerate import Answer, ask
from triptych.captioning.request_memory import RequestMemory
from triptych.errors import UnreadableImageError
from triptych.records import Caption
from triptych.runs.folder import RunFolder
from triptych.runs.plan import Target

MAX_GROUPS_AHEAD = 8
"""Groups that are read and decoded while the engine works, at most; not more than there are cores."""

COMMIT_EVERY_S = 0.1
"""Rows are gathered for so long, then written with one fsync a journal. What a crash loses besides what
was in flight is at most that. A commit of 13 rows took 1 ms here, 20 ms at the 95th percentile (100
commits, shared disk and machine); requests go on meanwhile."""

LOOK_EVERY_S = 0.2
"""How soon an interruption is seen while nothing comes back."""


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """How captions are made of groups; called from several threads."""

    request: Callable[[Group, Target], CaptionRequest]
    """Where it raises UnreadableImageError, that is recorded as the target's failure."""
    smaller: Callable[[Group, Target], CaptionRequest]
    """The same with half the tiles."""
    check: AnswerCheck
    """Which answers are asked again."""
    ask_again: int = 0
    max_request_mib: int = 1024


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a group brought, now that it is on disk."""

    rows: list[Caption]
    answers: list[Answer]
    took_s: float
    """From the engine's first request to its last answer."""


OnWritten = Callable[[Written], None]


def caption_groups(
    run: RunFolder,
    groups: Iterator[Group],
    making: Making,
    engine: Engine,
    on_written: OnWritten,
    stopping: threading.Event,
) -> None:
    """Caption all ``groups``, or where ``stopping`` is set those that the engine has.

    ``on_written`` gets each group when its rows are on disk. What the engine raises, or ``on_written``,
    ends the work, after everything that had come back was written.
    """
    work = Scheduler(groups, making, engine, stopping)
    with Journals(run) as journals:
        try:
            work.start()
            while outcomes := work.finished_groups():
                _write(outcomes, journals, on_written)
        except Exception:
            stopping.set()
            while outcomes := work.finished_groups():
                _write(outcomes, journals, None)
            raise
        except BaseException:  # now: threads are left to themselves
            stopping.set()
            raise
    if work.error is not None:
        raise work.error


Outcome = tuple[Group, Written]


class Scheduler:
    """Threads, each with one group at a time."""

    def __init__(
        self,
        groups: Iterator[Group],
        making: Making,
        engine: Engine,
        stopping: threading.Event,
    ) -> None:
        self.error: BaseException | None = None
        self._groups = groups
        self._making = making
        self._engine = engine
        self._stopping = stopping
        self._next_group = threading.Lock()
        self._slots = threading.BoundedSemaphore(engine.concurrency)
        self._memory = RequestMemory(making.max_request_mib * 2**20)
        self._outcomes: queue.SimpleQueue[Outcome | None] = queue.SimpleQueue()
        self._at_work = 0

    def start(self) -> None:
        ahead = min(len(os.sched_getaffinity(0)), MAX_GROUPS_AHEAD)
        for number in range(self._engine.concurrency + ahead):
            threading.Thread(target=self._caption_groups, name=f"caption-{number}", daemon=True).start()
            self._at_work += 1

    def finished_groups(self) -> list[Outcome]:
        """Those of the next COMMIT_EVERY_S; waits for the first. Empty when all threads have ended."""
        found: list[Outcome] = []
        wait_until: float | None = None
        while self._at_work:
            left_s = LOOK_EVERY_S if wait_until is None else wait_until - time.monotonic()
            try:
                outcome = self._outcomes.get(timeout=max(left_s, 0))
            except queue.Empty:
                if found:
                    break
                continue
            if outcome is None:
                self._at_work -= 1
            else:
                wait_until = wait_until or time.monotonic() + COMMIT_EVERY_S
                found.append(outcome)
        return found

    def _caption_groups(self) -> None:
        try:
            while not self._stopping.is_set():
                with self._next_group:
                    group = next(self._groups, None)
                if group is None:
                    break
                written = self._caption(group)
                if written is not None:
                    self._outcomes.put((group, written))
        except BaseException as error:
            self.error = self.error or error
            self._stopping.set()
        finally:
            self._outcomes.put(None)

    def _caption(self, group: Group) -> Written | None:
        """None where the work was stopped before the engine had the group."""
        with self._memory.room(self._stopping) as room:
            requests: list[CaptionRequest] = []
            unreadable: list[Answer] = []
            for target in group.targets:
                try:
                    request = self._making.request(group, target)
                except UnreadableImageError as error:
                    failure = Completion(id=target.id, attempts=0, failure=str(error))
                    unreadable.append(Answer(completion=failure))
                else:
                    requests.append(request)
            room.made(sum(len(image) for request in requests for image in request.images))
            with self._slots:
                if self._stopping.is_set():
                    return None
                began = time.monotonic()
                answers = self._ask(group, requests) if requests else []
                took_s = time.monotonic() - began
        rows = [_row(group.job.name, answer) for answer in (*answers, *unreadable)]
        return Written(rows=[row for row in rows if row.id in group.missing], answers=answers, took_s=took_s)

    def _ask(self, group: Group, requests: list[CaptionRequest]) -> list[Answer]:
        targets = {target.id: target for target in group.targets}

        def refit(request: CaptionRequest) -> CaptionRequest | None:
            smaller = self._making.smaller(group, targets[request.id])
            return smaller if smaller.images != request.images else None

        return ask(self._engine, requests, self._making.check, self._making.ask_again, refit)


def _row(job: str, answer: Answer) -> Caption:
    """Whitespace around a text is not the model's to decide."""
    completion = answer.completion
    return Caption(
        id=completion.id,
        job=job,
        text=completion.text.strip(),
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        attempts=completion.attempts,
        asked_again=answer.asked_again,
        failure=completion.failure,
    )


def _write(outcomes: list[Outcome], journals: Journals, on_written: OnWritten | None) -> None:
    """Commit, one fsync a journal."""
    by_journal: dict[tuple[str, str], list[Written]] = {}
    for group, written in outcomes:
        by_journal.setdefault((group.job.name, group.shard), []).append(written)
    for (job, shard), several in by_journal.items():
        journals.writer(job, shard).commit([row for written in several for row in written.rows])
        if on_written is not None:
            for written in several:
                on_written(written)
