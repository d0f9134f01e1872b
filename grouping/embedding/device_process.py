"""What runs in the process of one device: load a model, embed the shards that are handed out.

Comes in: a pipe to the process that hands out (see dispatch). Goes out: the shards' files, and messages
on how far it is. The parent ends it; it ends by itself as soon as the parent is gone, however that came.
Not its job: which shards.
"""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import NamedTuple

from triptych.errors import TriptychError
from triptych.grouping.embedding.pipeline import Encoder, Pipeline
from triptych.grouping.embedding.throughput import Pace
from triptych.runs.folder import RunFolder
from triptych.sources import Shard

EncoderMaker = Callable[[str], Encoder]
"""Loads the model on a device. Pickled to the process, so it must not hold what takes long to import."""


class PipelineSettings(NamedTuple):
    """Of each process."""

    batch_size: int
    decode_threads: int


class Loaded(NamedTuple):
    """The model is there."""


class Wanted(NamedTuple):
    """Another shard. The answer may be long in coming: for as long as another process may die."""


class Advanced(NamedTuple):
    """So many more files of a shard have gone through the encoder."""

    shard: str
    files: int
    pace: Pace


class Wrote(NamedTuple):
    """A shard is whole."""

    shard: str


class Failed(NamedTuple):
    """It can't go on, and no other process could."""

    error: TriptychError | OSError


class Crashed(NamedTuple):
    """It ends for a reason that another process may not meet: a GPU that failed, a fault of Triptych's."""

    reason: str


def serve(
    pipe: connection.Connection,
    run_path: Path,
    make_encoder: EncoderMaker,
    device: str,
    settings: PipelineSettings,
) -> None:
    """The main function of the process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = threading.Lock()  # messages come from three threads

    def send(message: object) -> None:
        with lock:
            pipe.send(message)

    try:
        encoder = make_encoder(device)
        send(Loaded())
        pipeline = Pipeline(RunFolder.open(run_path), encoder, *settings)
        pipeline.run(_handed_out(pipe, send), _ToParent(send))
    except (TriptychError, OSError) as error:
        send(Failed(error))
    except Exception as error:
        traceback.print_exc()
        send(Crashed(" ".join(f"{type(error).__name__}: {error}".split())[:300]))


def _handed_out(pipe: connection.Connection, send: Callable[[object], None]) -> Iterator[Shard]:
    """Asked for one by one, each as soon as the one before is read. There is no end: the parent ends it."""
    while True:
        send(Wanted())
        yield pipe.recv()


class _ToParent:
    """A Report that goes through the pipe."""

    def __init__(self, send: Callable[[object], None]) -> None:
        self._send = send

    def advance(self, shard: str, files: int, pace: Pace) -> None:
        self._send(Advanced(shard, files, pace))

    def wrote(self, shard: str) -> None:
        self._send(Wrote(shard))


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
