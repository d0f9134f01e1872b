"""Keeps an engine busy with the groups of a job, and yields the captions as they are finished.

Comes in: groups, how their requests are made, an engine. Goes out: batches of finished groups, ten a second
at most. Each thread takes a group, builds its requests, asks the engine, and takes the next group. A few
groups are decoded ahead of the engine; the bytes of requests in memory are bounded. When it is stopped,
groups that the engine has are finished and waiting ones are dropped. Not its job: choosing groups, writing
captions (see journals).
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec

from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Group
from triptych.captioning.engine import CaptionRequest, Completion, Engine
from triptych.captioning.regenerate import Answer, ask
from triptych.errors import UnreadableImageError
from triptych.executors.processes import core_count
from triptych.languages import without_invisible
from triptych.records import Caption
from triptych.runs.plan import Target

MAX_GROUPS_AHEAD = 8
"""The most groups that are decoded ahead of the engine. Also limited by the number of cores."""

BATCH_EVERY_S = 0.1
"""Finished groups are collected for this long and then written with one fsync per journal: a crash loses at
most these, besides what was in flight. A commit of 13 rows took 1 ms here, 20 ms at the 95th percentile (100
commits, shared disk and machine)."""

POLL_EVERY_S = 0.2
"""How soon an interruption is noticed while no answers come."""


class JobRequests(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of a job are made and answered. Called from several threads."""

    request: Callable[[Group, Target], CaptionRequest]
    """If it raises UnreadableImageError, that is recorded as the target's failure."""
    smaller: Callable[[Group, Target], CaptionRequest]
    """The same request with half the tiles."""
    check: AnswerCheck
    """Decides which answers are asked for again."""
    ask_again: int = 0
    """How many times."""
    samples: int = 1
    """Answers per request, of which one is kept."""
    max_request_mib: int = 1024


class FinishedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its captions."""

    group: Group
    rows: list[Caption]
    """Captions of the targets that missed one."""
    answers: list[Answer]
    """Answers on all targets whose images could be read."""
    took_s: float
    """From the engine's first request to its last answer."""


class Scheduler:
    """A pool of threads, each of which works on one group at a time."""

    def __init__(
        self,
        groups: Iterator[Group],
        requests: JobRequests,
        engine: Engine,
        stopping: threading.Event,
        slots: threading.Semaphore | None = None,
    ) -> None:
        """When ``stopping`` is set, the engine gets no further group. ``slots`` are shared by all schedulers
        that use this engine; None: this is the only one."""
        self._groups = groups
        self._requests = requests
        self._engine = engine
        self._stopping = stopping
        self._next_group = threading.Lock()
        self._slots = slots or threading.BoundedSemaphore(engine.concurrency)
        self._building = threading.BoundedSemaphore(core_count())
        self._memory = threading.Condition()
        self._held_bytes = 0
        self._max_bytes = requests.max_request_mib * 2**20
        self._finished: queue.SimpleQueue[FinishedGroup | None] = queue.SimpleQueue()
        """A thread that ends puts None."""
        self._running_threads = 0
        self._error: BaseException | None = None

    def finished(self) -> Iterator[list[FinishedGroup]]:
        """Start the threads and yield finished groups in batches.

        An exception in one thread stops all of them, and is raised after the last batch.
        """
        ahead = min(core_count(), MAX_GROUPS_AHEAD)
        for number in range(self._engine.concurrency + ahead):
            threading.Thread(target=self._work, name=f"caption-{number}", daemon=True).start()
            self._running_threads += 1
        while batch := self._next_batch():
            yield batch
        if self._error is not None:
            raise self._error

    def _next_batch(self) -> list[FinishedGroup]:
        """Wait for a group, and for those that follow within BATCH_EVERY_S. Empty when all is done."""
        batch: list[FinishedGroup] = []
        until: float | None = None
        while self._running_threads:
            left_s = POLL_EVERY_S if until is None else until - time.monotonic()
            try:
                finished = self._finished.get(timeout=max(left_s, 0))
            except queue.Empty:
                if batch:
                    break
                continue
            if finished is None:
                self._running_threads -= 1
            else:
                until = until or time.monotonic() + BATCH_EVERY_S
                batch.append(finished)
        return batch

    def _work(self) -> None:
        """Caption groups until there are no more, or a thread has failed."""
        try:
            while not self._stopping.is_set():
                with self._next_group:
                    group = next(self._groups, None)
                if group is None:
                    break
                finished = self._caption(group)
                if finished is not None:
                    self._finished.put(finished)
        except BaseException as error:
            self._error = self._error or error
            self._stopping.set()
        finally:
            self._finished.put(None)

    def _caption(self, group: Group) -> FinishedGroup | None:
        """None if work was stopped before the engine got the group."""
        with self._requests_of(group) as (requests, unreadable), self._slots:
            if self._stopping.is_set():
                return None
            began = time.monotonic()
            answers = self._ask(group, requests) if requests else []
            took_s = time.monotonic() - began
        contents = {target.id: target.content for target in group.targets}
        rows = [_row(group.job.name, answer, contents) for answer in (*answers, *unreadable)]
        missing = [row for row in rows if row.id in group.missing]
        return FinishedGroup(group=group, rows=missing, answers=answers, took_s=took_s)

    @contextlib.contextmanager
    def _requests_of(self, group: Group) -> Iterator[tuple[list[CaptionRequest], list[Answer]]]:
        """What ``_make_requests`` returns, once less than ``max_request_mib`` are in memory. The bound may be
        exceeded by as many groups as there are cores.
        """
        with self._building:
            with self._memory:
                while self._held_bytes >= self._max_bytes and not self._stopping.is_set():
                    self._memory.wait(POLL_EVERY_S)
            requests, unreadable = self._make_requests(group)
            size_bytes = sum(len(image) for request in requests for image in request.images)
            with self._memory:
                self._held_bytes += size_bytes
        try:
            yield requests, unreadable
        finally:
            with self._memory:
                self._held_bytes -= size_bytes
                self._memory.notify_all()

    def _make_requests(self, group: Group) -> tuple[list[CaptionRequest], list[Answer]]:
        """The requests, and failures for images that can't be read."""
        requests: list[CaptionRequest] = []
        unreadable: list[Answer] = []
        for target in group.targets:
            try:
                requests.append(self._requests.request(group, target))
            except UnreadableImageError as error:
                failure = Completion(id=target.id, attempts=0, failure=str(error))
                unreadable.append(Answer(completion=failure))
        return requests, unreadable

    def _ask(self, group: Group, requests: list[CaptionRequest]) -> list[Answer]:
        targets = {target.id: target for target in group.targets}

        def refit(request: CaptionRequest) -> CaptionRequest | None:
            smaller = self._requests.smaller(group, targets[request.id])
            return smaller if smaller.images != request.images else None

        job = self._requests
        return ask(self._engine, requests, job.check, job.ask_again, refit, job.samples)


def _row(job: str, answer: Answer, contents: Mapping[str, str]) -> Caption:
    """The journal row of an answer. Strips whitespace and invisible characters, and the replacement character
    (U+FFFD) where ``max_tokens`` cut a text within a character."""
    completion = answer.completion
    text = without_invisible(completion.text).strip()
    if completion.finish_reason == "length":
        text = text.rstrip("\ufffd").rstrip() or text
    return Caption(
        id=completion.id,
        job=job,
        text=text,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        attempts=completion.attempts,
        asked_again=answer.asked_again,
        agreement=answer.agreement,
        failure=completion.failure,
        content=contents[completion.id],
        canary=completion.canary,
    )
