"""The embedding pipeline on several devices: one worker each, which takes shard after shard.

Comes in: a run, shards, devices, who loads the model. Goes out: every shard's files, the same bytes whatever
worker made them. A worker that dies is replaced and its shards are given out again; a shard at which workers
keep dying is one error, after all others are whole. Not its job: what a pipeline does (see pipeline),
starting and ending processes (see triptych.executors).
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
    Desk,
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
from triptych.grouping.embedding.throughput import Throughput, sum_of
from triptych.runs.checkpoints import forget_shard, shard_note
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import make_folder, sync_directory
from triptych.sources.shard import Shard

EncoderLoader = Callable[[str], Encoder]
"""Loads the model on a device. Sent to other processes, so it must not hold what takes long to import."""


class EmbedOn(msgspec.Struct, frozen=True):
    """Sets up a worker: loads the model on the device that the worker is named after."""

    run_path: Path
    load_encoder: EncoderLoader
    batch_size: int
    decode_threads: int
    is_staged: bool = False
    """The worker may be taken for dead and live on: it writes into a folder of its own, and what it has
    reported is moved from there."""

    def __call__(self, device: str) -> Work:
        encoder = self.load_encoder(device)
        folder = RunFolder.open(self.run_path)
        worker = uuid.uuid4().hex
        if self.is_staged:
            folder = RunFolder(folder.cluster_folder / worker, folder.run_file)

        def work(desk: Desk) -> None:
            report = _DeskReport(desk, worker, folder.path)
            pipeline = Pipeline(folder, encoder, self.batch_size, self.decode_threads)
            pipeline.run(report.shards(), report)

        return work


class _Advanced(NamedTuple):
    """Progress of a shard: so many more files have gone through the encoder."""

    worker: str
    items: int
    throughput: Throughput


class _Wrote(NamedTuple):
    """A shard is whole."""

    path: Path
    """The folder that it lies in: the run, or a worker's own."""
    files: int


class _DeskReport:
    """The pipeline's Report, handed on to the desk."""

    def __init__(self, desk: Desk, worker: str, path: Path) -> None:
        self._desk, self._worker, self._path = desk, worker, path
        self._number_of: dict[str, int] = {}
        self._files: Counter[str] = Counter()

    def shards(self) -> Iterator[Shard]:
        for number, shard in self._desk.units():
            self._number_of[shard.name] = number
            yield shard

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        self._files[shard] += files
        self._desk.progress(self._number_of[shard], _Advanced(self._worker, files, throughput))

    def wrote(self, shard: str) -> None:
        self._desk.finish(self._number_of.pop(shard), _Wrote(self._path, self._files.pop(shard, 0)))


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
    gpus: float = 0,
) -> Iterator[Embed]:
    """What embeds shards, with its models loaded: this process on one CPU, else a worker a device.
    On a cluster, ``devices`` are those that a worker sees there, and it takes so many ``gpus``.

    A GPU's model is in a process of its own even if it is the only one, so that its memory is free when
    captioning begins. Raises what loading raises.
    """
    if list(devices) == ["cpu"] and run.cluster is None:
        encoder = load_encoder("cpu")
        yield lambda shards, report: Pipeline(run.folder, encoder, batch_size, decode_threads).run(
            shards, report
        )
        return
    path, is_staged = run.folder.path.absolute(), run.cluster is not None
    set_up = EmbedOn(path, load_encoder, batch_size, decode_threads, is_staged)
    with run.open_executor(devices, set_up, purpose="embeds images", ahead=0, gpus=gpus) as executor:
        yield lambda shards, report: _embed(run, executor, shards, report)


def _embed(run: RunContext, executor: Executor, shards: Sequence[Shard], report: Report) -> None:
    given_up: list[GivenUp] = []
    files: Counter[int] = Counter()
    """Reported of shards that are not whole yet, by number."""
    throughputs: dict[str, Throughput] = {}
    """The last of each worker, those that died included."""
    for event in _events(executor, shards):
        total = sum_of(throughputs.values())
        match event:
            case Progressed(number, _Advanced(worker, count, throughput)):
                files[number] += count
                throughputs[worker] = throughput
                report.advance(shards[number].name, count, sum_of(throughputs.values()))
            case Finished(number, _Wrote(path, count)):
                if path != run.folder.path.absolute():
                    _move(RunFolder(path, run.folder.run_file), run.folder, shards[number].name)
                if uncounted := count - files.pop(number, 0):  # two workers had it
                    report.advance(shards[number].name, uncounted, total)
                report.wrote(shards[number].name)
            case Lost():
                run.progress.say(f"embeddings: {_describe(event, shards)}; another takes its place")
                for number in event.numbers:
                    report.advance(shards[number].name, -files.pop(number, 0), total)
            case GivenUp():
                given_up.append(event)
    if given_up:
        raise _one_line(given_up, shards)


def _move(staged: RunFolder, run: RunFolder, shard: str) -> None:
    """Put the files of a whole shard into their places: what says that it is whole comes last."""
    forget_shard(run, shard)
    for path in (run.embeddings_file(shard), run.images_file(shard), shard_note(run, shard)):
        make_folder(path.parent)
        (staged.path / path.relative_to(run.path)).replace(path)
        sync_directory(path.parent)


def _events(executor: Executor, shards: Sequence[Shard]) -> Iterator[Event]:
    """What happens to ``shards``; a one-line error where nothing comes of any."""
    try:
        yield from executor.run(shards)
    except (TriptychError, OSError):
        raise
    except Exception as error:
        raise SetupError(f"three embedding processes ended with {_reason(error)}; {_GO_ON}") from error


def _one_line(given_up: Sequence[GivenUp], shards: Sequence[Shard]) -> SetupError:
    """All the other shards are whole."""
    last = given_up[-1]
    names = ", ".join(shards[each.number].name for each in given_up[:3])
    more = f" and {len(given_up) - 3:,} more" if len(given_up) > 3 else ""
    if isinstance(last.error, WorkerDeathsError):
        what = f"{_describe(last.lost, shards)}, as two did before"
    else:
        what = f"three embedding processes ended with {_reason(last.error)}"
    return SetupError(f"embeddings: without {names}{more}, all others are whole: {what}; {_GO_ON}")


_GO_ON = "shards that are whole stay, so mend what ended it and run the same command: it goes on from here"


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _describe(lost: Lost, shards: Sequence[Shard]) -> str:
    """What happened, as the beginning of a sentence."""
    names = " and ".join(shards[number].name for number in lost.numbers)
    where = f"with shard {names}" if names else "without a shard"
    hint = " (lower embedding.batch_size or embedding.decode_threads)" if "memory" in lost.why else ""
    return f"the embedding process on {lost.worker} {lost.why} {where}{hint}"
