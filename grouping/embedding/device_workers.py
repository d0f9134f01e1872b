"""Shards handed out to one process a device, one by one, as each asks for more.

Comes in: shards, devices, who loads the model. Goes out: every shard's files, the same bytes whatever
process made them. A process that dies is replaced and what it had is handed out again; a shard at which
processes keep dying ends the stage with one error. No process is left behind, however this one ends.
Not its job: what a process does (see device_process).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Self

from triptych.errors import SetupError
from triptych.executors.processes import without_interrupts
from triptych.grouping.embedding.device_process import (
    Advanced,
    Crashed,
    EncoderMaker,
    Failed,
    Loaded,
    PipelineSettings,
    Wanted,
    Wrote,
    serve,
)
from triptych.grouping.embedding.pipeline import Report
from triptych.grouping.embedding.throughput import Pace, sum_of
from triptych.sources import Shard

MOST_DEATHS = 2
"""Of processes that had the same shard, before the stage is given up: once can be bad luck."""

ENDS_WITHIN_S = 5.0
"""A process that is asked to end, before it is killed."""


class Dispatch:
    """The processes of a stage. A context manager: leaving it ends them all."""

    def __init__(
        self,
        run_path: Path,
        devices: Sequence[str],
        make_encoder: EncoderMaker,
        settings: PipelineSettings,
        say: Callable[[str], None],
    ) -> None:
        self._of_all = (run_path, make_encoder, settings)
        self._devices = devices
        self._say = say
        self._processes: list[_Process] = []
        self._ended_paces: list[Pace] = []
        self._todo: deque[Shard] = deque()
        self._deaths: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Start all processes and wait until each has its model. Raises what loading it raised."""
        try:
            for device in self._devices:
                self._processes.append(_Process(device, *self._of_all))
                self._processes[-1].start()
            for process in self._processes:
                while not process.is_loaded:
                    process.receive()
                    if process.crash is not None:
                        raise SetupError(f"{process.death} while it loaded the embedding model")
        except BaseException:
            self._end_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end_all()

    @property
    def pace(self) -> Pace:
        """The sum of all processes' paces."""
        return sum_of([*self._ended_paces, *(process.pace for process in self._processes)])

    def run(self, shards: Sequence[Shard], report: Report) -> None:
        """Have every one of ``shards`` embedded.

        Raises what a process failed with, and SetupError where processes keep dying at a shard.
        """
        self._todo.extend(shards)
        while self._hand_out():
            by_pipe = {process.pipe: process for process in self._processes}
            for pipe in connection.wait(list(by_pipe)):
                process = by_pipe[pipe]  # type: ignore[index]
                message = process.receive()
                if process.crash is not None:
                    self._replace(process, report)
                elif isinstance(message, Advanced):
                    report.advance(message.shard, message.files, self.pace)
                elif isinstance(message, Wrote):
                    report.wrote(message.shard)

    def _hand_out(self) -> bool:
        """Give shards to those who wait for some. Returns whether any is not whole yet."""
        for process in self._processes:
            if process.is_waiting and self._todo:
                process.give(self._todo.popleft())
        return bool(self._todo) or any(process.shards for process in self._processes)

    def _replace(self, dead: _Process, report: Report) -> None:
        had = list(dead.shards)
        for name in had or [""]:
            self._deaths[name] += 1
        where = f"with shard {' and '.join(had)}" if had else "without a shard"
        if max(self._deaths[name] for name in had or [""]) >= MOST_DEATHS:
            raise SetupError(
                f"{dead.death} {where}, as one did before; shards that are whole stay, so mend what ended it"
                " and run the same command: it goes on from here"
            )
        self._say(f"embeddings: {dead.death} {where}; another takes its place")
        for name, files in dead.files.items():
            report.advance(name, -files, self.pace)
        self._todo.extendleft(reversed(dead.shards.values()))
        dead.end()
        self._ended_paces.append(dead.pace)
        in_its_place = _Process(dead.device, *self._of_all)
        self._processes[self._processes.index(dead)] = in_its_place
        in_its_place.start()

    def _end_all(self) -> None:
        for process in self._processes:
            process.ask_to_end()
        for process in self._processes:
            process.end()


class _Process:
    """One process and what is known of it."""

    def __init__(
        self, device: str, run_path: Path, make_encoder: EncoderMaker, settings: PipelineSettings
    ) -> None:
        self.device = device
        self.shards: dict[str, Shard] = {}
        """Handed out to it and not whole yet."""
        self.files: Counter[str] = Counter()
        """Of them, files that have gone through the encoder."""
        self.is_loaded = self.is_waiting = False
        self.pace = Pace()
        self.crash: str | None = None
        """Why it ended."""
        context = multiprocessing.get_context("spawn")  # not fork: torch and the progress have threads
        self.pipe, self._theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(self._theirs, run_path, make_encoder, device, settings), daemon=True
        )

    def start(self) -> None:
        """Begin loading the model. Messages follow."""
        with without_interrupts():
            self._process.start()
            self._theirs.close()

    def receive(self) -> object:
        """Its next message, noted. Sets ``crash`` where it has ended. Raises what it failed with."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            self._process.join(ENDS_WITHIN_S)
            self.crash = _describe(self._process.exitcode)
            return None
        match message:
            case Loaded():
                self.is_loaded = True
            case Wanted():
                self.is_waiting = True
            case Advanced(shard, files, pace):
                self.files[shard] += files
                self.pace = pace
            case Wrote(shard):
                del self.shards[shard], self.files[shard]
            case Crashed(reason):
                self.crash = f"ended with {reason}"
            case Failed(error):
                raise error
        return message

    def give(self, shard: Shard) -> None:
        """Hand out ``shard``. If it has just died, that is seen at the next message."""
        self.is_waiting = False
        self.shards[shard.name] = shard
        with contextlib.suppress(OSError):
            self.pipe.send(shard)

    @property
    def death(self) -> str:
        """What happened, as the beginning of a sentence."""
        return f"the embedding process on {self.device} {self.crash}"

    def ask_to_end(self) -> None:
        """What it has in hand is lost, and was not whole."""
        if self._process.pid is not None:
            self._process.terminate()

    def end(self) -> None:
        """See to it that it has ended."""
        if self._process.pid is not None:
            self._process.terminate()
            self._process.join(ENDS_WITHIN_S)
            self._process.kill()
            self._process.join()
        self.pipe.close()


def _describe(exit_code: int | None) -> str:
    if exit_code == -signal.SIGKILL:
        return "was killed (often for want of memory: lower embedding.batch_size or embedding.decode_threads)"
    if exit_code is not None and exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"ended with exit code {exit_code}"
