"""Keeps an engine busy with the groups of a job, and writes what comes back.

Comes in: groups, a way to make requests, an engine. Goes out: journals in which every caption that was
counted is on disk. Up to ``engine.concurrency`` groups are with the engine, and a few more are being
decoded ahead; nothing else is held in memory. Ctrl-C once: groups with the engine are finished and
written, those that only wait are dropped; twice: everything is dropped. Not its job: which groups.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from captioning.backlog import Group
from captioning.engines import CaptionRequest, Completion, Engine
from corpus.errors import UnreadableImageError
from corpus.journal import JournalWriter
from corpus.plan import Target
from corpus.records import Caption, JobName
from corpus.runfolder import RunFolder

MAX_GROUPS_AHEAD = 8
"""Groups that are read and decoded while the engine works, at most; not more than there are cores."""

MAX_OPEN_JOURNALS = 16

MakeRequest = Callable[[Group, Target], CaptionRequest]
OnWritten = Callable[[list[Caption]], None]


def caption_groups(
    run: RunFolder, groups: Iterator[Group], make_request: MakeRequest, engine: Engine, on_written: OnWritten
) -> None:
    """Caption all ``groups``. ``on_written`` gets the rows of each commit, when they are on disk.

    ``make_request`` is called from several threads; where it raises UnreadableImageError, that is
    recorded as the target's failure. What ``engine`` raises ends the work, after everything that had
    come back was written.
    """
    ahead = min(len(os.sched_getaffinity(0)), MAX_GROUPS_AHEAD)
    most_in_flight = engine.concurrency + ahead
    worker = _Worker(make_request, engine)
    pool = ThreadPoolExecutor(most_in_flight, thread_name_prefix="caption")
    in_flight: set[Future[_Outcome]] = set()
    with _Journals(run) as journals:
        try:
            while True:
                while len(in_flight) < most_in_flight and (group := next(groups, None)) is not None:
                    in_flight.add(pool.submit(worker.caption, group))
                if not in_flight:
                    return
                done, in_flight = wait(in_flight, return_when=FIRST_COMPLETED)
                _write(done, journals, on_written)
        except BaseException:
            worker.stopping.set()
            done, in_flight = wait(in_flight)
            _write([future for future in done if future.exception() is None], journals, on_written)
            raise
        finally:
            pool.shutdown(wait=not in_flight, cancel_futures=True)


_Outcome = tuple[Group, list[Caption]]


class _Worker:
    """What one thread does with one group."""

    def __init__(self, make_request: MakeRequest, engine: Engine) -> None:
        self.stopping = threading.Event()
        self._make_request = make_request
        self._engine = engine
        self._slots = threading.BoundedSemaphore(engine.concurrency)

    def caption(self, group: Group) -> _Outcome:
        """The missing captions of ``group``; none where the work was stopped before the engine had it."""
        if self.stopping.is_set():
            return group, []
        requests: list[CaptionRequest] = []
        failures: list[Completion] = []
        for target in group.targets:
            try:
                requests.append(self._make_request(group, target))
            except UnreadableImageError as error:
                failures.append(Completion(id=target.id, attempts=0, failure=str(error)))
        with self._slots:
            if self.stopping.is_set():
                return group, []
            completions = self._engine.caption(requests)
        rows = (_row(group.job, completion) for completion in (*completions, *failures))
        return group, [row for row in rows if row.id in group.missing]


def _row(job: JobName, completion: Completion) -> Caption:
    """Whitespace around a text is not the model's to decide."""
    return Caption(
        id=completion.id,
        job=job,
        text=completion.text.strip(),
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        attempts=completion.attempts,
        failure=completion.failure,
    )


def _write(done: Iterable[Future[_Outcome]], journals: _Journals, on_written: OnWritten) -> None:
    """Commit what came back, one fsync a journal; then raise what was raised, if anything was."""
    rows_of: dict[tuple[JobName, str], list[Caption]] = {}
    error: BaseException | None = None
    for future in done:
        raised = future.exception()
        if raised is not None:
            error = raised
            continue
        group, rows = future.result()
        rows_of.setdefault((group.job, group.shard), []).extend(rows)
    for (job, shard), rows in rows_of.items():
        if rows:
            journals.writer(job, shard).commit(rows)
            on_written(rows)
    if error is not None:
        raise error


class _Journals:
    """The journals that are being written, of which a few are open."""

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._open: OrderedDict[tuple[JobName, str], JournalWriter] = OrderedDict()

    def writer(self, job: JobName, shard: str) -> JournalWriter:
        if (job, shard) not in self._open:
            if len(self._open) >= MAX_OPEN_JOURNALS:
                self._open.popitem(last=False)[1].close()
            self._open[job, shard] = JournalWriter(self._run.captions_file(job, shard))
        self._open.move_to_end((job, shard))
        return self._open[job, shard]

    def __enter__(self) -> _Journals:
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._open.values():
            writer.close()
