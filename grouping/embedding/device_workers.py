"""The embedding pipeline on several devices: one worker each, which takes shard after shard.

Comes in: a run, shards, devices, who loads the model. Goes out: every shard's files, the same bytes whatever
worker made them. A worker that dies is replaced and its shards are given out again; a shard at which workers
keep dying ends the stage with one error. Not its job: what a pipeline does (see pipeline), starting and
ending processes (see triptych.executors).
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.errors import SetupError, TriptychError
from triptych.executors import Desk, Event, Executor, Finished, Lost, Progressed, Work, WorkerDeathsError
from triptych.grouping.embedding.pipeline import Encoder, Pipeline, Report
from triptych.grouping.embedding.throughput import Throughput, sum_of
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.sources.shard import Shard

EncoderLoader = Callable[[str], Encoder]
"""Loads the model on a device. Sent to other processes, so it must not hold what takes long to import."""


class EmbedOn(msgspec.Struct, frozen=True):
    """Sets up a worker: loads the model on the device that the worker is named after."""

    run_path: Path
    load_encoder: EncoderLoader
    batch_size: int
    decode_threads: int

    def __call__(self, device: str) -> Work:
        encoder = self.load_encoder(device)
        folder = RunFolder.open(self.run_path)

        def work(desk: Desk) -> None:
            report = _DeskReport(desk, f"{device} {os.getpid()}")
            pipeline = Pipeline(folder, encoder, self.batch_size, self.decode_threads)
            pipeline.run(report.shards(), report)

        return work


class _Advanced(NamedTuple):
    """Progress of a shard: so many more files have gone through the encoder."""

    worker: str
    files: int
    throughput: Throughput


class _DeskReport:
    """The pipeline's Report, handed on to the desk."""

    def __init__(self, desk: Desk, worker: str) -> None:
        self._desk, self._worker = desk, worker
        self._number_of: dict[str, int] = {}

    def shards(self) -> Iterator[Shard]:
        for number, shard in self._desk.units():
            self._number_of[shard.name] = number
            yield shard

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        self._desk.progress(self._number_of[shard], _Advanced(self._worker, files, throughput))

    def wrote(self, shard: str) -> None:
        self._desk.finish(self._number_of.pop(shard))


Embed = Callable[[Sequence[Shard], Report], object]
"""Embeds shards and reports. Raises what no worker can avoid, and SetupError where workers keep dying."""


@contextlib.contextmanager
def open_devices(
    run: RunContext,
    devices: Sequence[str],
    load_encoder: EncoderLoader,
    *,
    batch_size: int,
    decode_threads: int,
) -> Iterator[Embed]:
    """What embeds shards, with its models loaded: this process on one CPU, else a worker a device.

    A GPU's model is in a process of its own even if it is the only one, so that its memory is free when
    captioning begins. Raises what loading raises.
    """
    if list(devices) == ["cpu"]:
        encoder = load_encoder("cpu")
        yield lambda shards, report: Pipeline(run.folder, encoder, batch_size, decode_threads).run(
            shards, report
        )
        return
    set_up = EmbedOn(run.folder.path, load_encoder, batch_size, decode_threads)
    with run.open_executor(devices, set_up, purpose="embeds images", ahead=0) as executor:
        yield lambda shards, report: _embed(executor, shards, report, run.progress.say)


def _embed(executor: Executor, shards: Sequence[Shard], report: Report, say: Callable[[str], None]) -> None:
    files: Counter[int] = Counter()
    """Reported of shards that are not whole yet, by number."""
    throughputs: dict[str, Throughput] = {}
    """The last of each worker, those that died included."""
    for event in _events(executor, shards):
        match event:
            case Progressed(number, _Advanced(worker, count, throughput)):
                files[number] += count
                throughputs[worker] = throughput
                report.advance(shards[number].name, count, sum_of(throughputs.values()))
            case Finished(number):
                del files[number]
                report.wrote(shards[number].name)
            case Lost():
                say(f"embeddings: {_describe(event, shards)}; another takes its place")
                for number in event.numbers:
                    report.advance(shards[number].name, -files.pop(number, 0), sum_of(throughputs.values()))


def _events(executor: Executor, shards: Sequence[Shard]) -> Iterator[Event]:
    """What happens to ``shards``; one-line errors where workers keep dying."""
    try:
        yield from executor.run(shards)
    except WorkerDeathsError as error:
        raise SetupError(
            f"{_describe(error.lost, shards)}, as one did before; shards that are whole stay, so mend what"
            " ended it and run the same command: it goes on from here"
        ) from None
    except (TriptychError, OSError):
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise SetupError(
            f"two embedding processes ended with {reason}; shards that are whole stay, so mend what ended"
            " them and run the same command: it goes on from here"
        ) from error


def _describe(lost: Lost, shards: Sequence[Shard]) -> str:
    """What happened, as the beginning of a sentence."""
    names = " and ".join(shards[number].name for number in lost.numbers)
    where = f"with shard {names}" if names else "without a shard"
    hint = " (lower embedding.batch_size or embedding.decode_threads)" if "memory" in lost.why else ""
    return f"the embedding process on {lost.worker} {lost.why} {where}{hint}"
