"""The embedding pipeline on several devices: one worker per device, each taking shard after shard.

Comes in: a run, shards, devices, a function that loads the model. Goes out: every shard's files, the same
bytes whichever worker made them. A worker that dies is replaced and its shards are retried; if workers keep
dying at a shard, all other shards are finished first, then one error is raised. Not its job: what a pipeline
does (see pipeline), starting and ending processes (see triptych.executors).
"""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from triptych.errors import SetupError, TriptychError
from triptych.executors import (
    Channel,
    Event,
    Executor,
    Finished,
    GivenUp,
    Lost,
    Progressed,
    Work,
    WorkerDeathsError,
)
from triptych.grouping.embedding.pipeline import Encoder, Pipeline, Report
from triptych.grouping.embedding.throughput import Throughput, sum_throughputs
from triptych.runs.checkpoints import forget_shard, shard_note
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import make_folder, sync_directory
from triptych.sources.shard import Shard

EncoderLoader = Callable[[str], Encoder]
"""Loads the model on a device. It is pickled for other processes, so it must be cheap to import."""


class _WorkerSetUp(msgspec.Struct, frozen=True):
    """Sets up a worker: loads the model on the device that the worker is named after."""

    run_path: Path
    load_encoder: EncoderLoader
    batch_size: int
    decode_threads: int
    is_staged: bool = False
    """Write into a folder of the worker's own, from which finished shards are moved: a worker that is taken
    for dead may still be writing."""

    def __call__(self, device: str) -> Work:
        encoder = self.load_encoder(device)
        folder = RunFolder.open(self.run_path)
        worker = uuid.uuid4().hex
        if self.is_staged:
            folder = RunFolder(folder.cluster_folder / worker, folder.run_file)

        def work(channel: Channel) -> None:
            report = _ChannelReport(channel, worker, folder.path)
            pipeline = Pipeline(folder, encoder, self.batch_size, self.decode_threads)
            pipeline.run(report.shards(), report)

        return work


class _Advanced(NamedTuple):
    """More files of a shard have been encoded."""

    worker: str
    files: int
    throughput: Throughput


class _Wrote(NamedTuple):
    """A shard is complete."""

    path: Path
    """Folder that contains it: the run's, or the worker's own."""
    files: int


class _ChannelReport:
    """Forwards the pipeline's reports to the channel."""

    def __init__(self, channel: Channel, worker: str, path: Path) -> None:
        self._channel, self._worker, self._path = channel, worker, path
        self._number_of: dict[str, int] = {}
        self._files: Counter[str] = Counter()

    def shards(self) -> Iterator[Shard]:
        for number, shard in self._channel.units():
            self._number_of[shard.name] = number
            yield shard

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        self._files[shard] += files
        self._channel.progress(self._number_of[shard], _Advanced(self._worker, files, throughput))

    def wrote(self, shard: str) -> None:
        self._channel.finish(self._number_of.pop(shard), _Wrote(self._path, self._files.pop(shard, 0)))


Embed = Callable[[Sequence[Shard], Report], object]
"""Embeds shards and reports progress. Raises SetupError if workers keep dying at a shard."""


@contextlib.contextmanager
def open_devices(
    run: RunContext,
    devices: Sequence[str],
    load_encoder: EncoderLoader,
    *,
    batch_size: int,
    decode_threads: int,
    gpus: float = 0,
) -> Iterator[Embed]:
    """Load the models and yield a function that embeds shards: in this process for a single CPU, otherwise in
    one worker per device. On a cluster, a worker sees ``devices`` and gets ``gpus`` GPUs.

    Even a single GPU has a process of its own, so that its memory is free when captioning begins.
    """
    if list(devices) == ["cpu"] and run.cluster is None:
        encoder = load_encoder("cpu")
        yield lambda shards, report: Pipeline(run.folder, encoder, batch_size, decode_threads).run(
            shards, report
        )
        return
    path, is_staged = run.folder.path.absolute(), run.cluster is not None
    set_up = _WorkerSetUp(path, load_encoder, batch_size, decode_threads, is_staged)
    with run.open_executor(devices, set_up, purpose="embeds images", ahead=0, gpus=gpus) as executor:
        yield lambda shards, report: _embed(run, executor, shards, report)


def _embed(run: RunContext, executor: Executor, shards: Sequence[Shard], report: Report) -> None:
    given_up: list[GivenUp] = []
    files: Counter[int] = Counter()
    """Files reported so far, by number of an unfinished shard."""
    throughputs: dict[str, Throughput] = {}
    """Latest of each worker, dead ones included."""
    for event in _events(executor, shards):
        total = sum_throughputs(throughputs.values())
        match event:
            case Progressed(number, _Advanced(worker, count, throughput)):
                files[number] += count
                throughputs[worker] = throughput
                report.advance(shards[number].name, count, sum_throughputs(throughputs.values()))
            case Finished(number, _Wrote(path, count)):
                if path != run.folder.path.absolute():
                    _move(RunFolder(path, run.folder.run_file), run.folder, shards[number].name)
                if uncounted := count - files.pop(number, 0):  # two workers embedded it
                    report.advance(shards[number].name, uncounted, total)
                report.wrote(shards[number].name)
            case Lost():
                run.progress.say(f"embeddings: {_describe(event, shards)}; another takes its place")
                for number in event.numbers:
                    report.advance(shards[number].name, -files.pop(number, 0), total)
            case GivenUp():
                given_up.append(event)
    if given_up:
        raise _given_up_error(given_up, shards)


def _move(staged: RunFolder, run: RunFolder, shard: str) -> None:
    """Move the files of a finished shard into the run, the one that marks it as complete last."""
    forget_shard(run, shard)
    for path in (run.embeddings_file(shard), run.images_file(shard), shard_note(run, shard)):
        make_folder(path.parent)
        (staged.path / path.relative_to(run.path)).replace(path)
        sync_directory(path.parent)


def _events(executor: Executor, shards: Sequence[Shard]) -> Iterator[Event]:
    """Events of embedding ``shards``. Raises a one-line SetupError if no shard can be embedded."""
    try:
        yield from executor.run(shards)
    except (TriptychError, OSError):
        raise
    except Exception as error:
        raise SetupError(f"three embedding processes ended with {_reason(error)}; {_RESUME}") from error


def _given_up_error(given_up: Sequence[GivenUp], shards: Sequence[Shard]) -> SetupError:
    last = given_up[-1]
    names = ", ".join(shards[each.number].name for each in given_up[:3])
    more = f" and {len(given_up) - 3:,} more" if len(given_up) > 3 else ""
    if isinstance(last.error, WorkerDeathsError):
        what = f"{_describe(last.lost, shards)}, as two did before"
    else:
        what = f"three embedding processes ended with {_reason(last.error)}"
    return SetupError(f"embeddings: all shards are complete except {names}{more}: {what}; {_RESUME}")


_RESUME = "complete shards are kept, so fix the cause and run the same command: it resumes from here"


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _describe(lost: Lost, shards: Sequence[Shard]) -> str:
    """What happened, without a full stop."""
    names = " and ".join(shards[number].name for number in lost.numbers)
    where = f"with shard {names}" if names else "without a shard"
    hint = " (lower embedding.batch_size or embedding.decode_threads)" if "memory" in lost.why else ""
    return f"the embedding process on {lost.worker} {lost.why} {where}{hint}"
