"""The pipeline's memory limits, its order, and how errors end it."""

from __future__ import annotations

import errno
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.colour_encoder import ColourEncoder, ColourOn
from triptych.grouping.embedding import pipeline as embed_module
from triptych.grouping.embedding.pipeline import Pipeline
from triptych.grouping.embedding.throughput import Throughput, sum_throughputs
from triptych.runs.folder import RunFolder
from triptych.sources.shard import FoundFile

PATIENCE_S = 60


class _CountingShard:
    """A shard of ``files`` images that counts how many were read."""

    def __init__(self, files: int, name: str = "many") -> None:
        self.name = name
        self._files = files
        self.read_so_far = 0
        buffer = io.BytesIO()
        Image.new("RGB", (20, 20), "red").save(buffer, "PNG", compress_level=0)
        self.content = buffer.getvalue()

    def fingerprint(self) -> str:
        return self.name

    def files(self) -> Iterator[FoundFile]:
        for number in range(self._files):
            self.read_so_far += 1
            yield FoundFile(key=f"{self.name}/{number}.png", content=self.content)

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise OSError(key)


class _BlockedEncoder(ColourEncoder):
    """An encoder that blocks until ``go`` is set."""

    def __init__(self) -> None:
        super().__init__(ColourOn())
        self.go = threading.Event()

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float16]:
        assert self.go.wait(PATIENCE_S)
        return super().encode(pixels)


class _Report:
    def __init__(self) -> None:
        self.written: list[str] = []

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        pass

    def wrote(self, shard: str) -> None:
        self.written.append(shard)


def test_a_stalled_encoder_stops_reading_at_the_limit(tmp_path: Path) -> None:
    """300 files and a blocked encoder: at most max_images are read; once released, all are embedded."""
    shard, encoder = _CountingShard(300), _BlockedEncoder()
    pipeline = Pipeline(RunFolder.create_or_open(tmp_path / "run"), encoder, 4, 2)
    work = threading.Thread(target=pipeline.run, args=([shard], _Report()))
    work.start()
    deadline = time.monotonic() + PATIENCE_S
    while shard.read_so_far < pipeline.max_images and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)  # without a limit, it would read on now
    read_while_stalled = shard.read_so_far
    encoder.go.set()
    work.join()

    assert pipeline.max_images == read_while_stalled == 3 * 4 + 2 * 2
    assert pipeline.images.peak == pipeline.max_images
    assert shard.read_so_far == 300
    assert len(np.load(tmp_path / "run" / "embeddings" / "many.npy")) == 300


def test_bytes_read_ahead_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While decoding is blocked, reading stops at most one file beyond the limit."""
    shard = _CountingShard(50)
    monkeypatch.setattr(embed_module, "READ_AHEAD_BYTES", 4 * len(shard.content))
    released = threading.Event()
    prepare = embed_module.prepare

    def prepare_when_released(*arguments: object) -> object:
        assert released.wait(PATIENCE_S)
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(embed_module, "prepare", prepare_when_released)
    pipeline = Pipeline(RunFolder.create_or_open(tmp_path / "run"), ColourOn()("cpu"), 16, 2)
    work = threading.Thread(target=pipeline.run, args=([shard], _Report()))
    work.start()
    deadline = time.monotonic() + PATIENCE_S
    while shard.read_so_far < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    read_while_blocked = shard.read_so_far
    released.set()
    work.join()

    assert read_while_blocked == 5
    assert shard.read_so_far == 50


def test_the_next_shard_is_read_while_one_is_encoded(tmp_path: Path) -> None:
    """The encoder isn't idle between two shards."""
    first, second, encoder = _CountingShard(3, "first"), _CountingShard(3, "second"), _BlockedEncoder()
    pipeline = Pipeline(RunFolder.create_or_open(tmp_path / "run"), encoder, 4, 1)
    report = _Report()
    work = threading.Thread(target=pipeline.run, args=([first, second], report))
    work.start()
    deadline = time.monotonic() + PATIENCE_S
    while second.read_so_far < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    read_before_anything_was_encoded = second.read_so_far
    encoder.go.set()
    work.join()

    assert 3 == read_before_anything_was_encoded
    assert ["first", "second"] == report.written


@pytest.mark.parametrize("where", ["encode", "files"])
def test_an_error_in_any_thread_reaches_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whether the encoder or the reader raises it; no thread is left."""
    before = set(threading.enumerate())
    shard, encoder = _CountingShard(100), ColourOn()("cpu")

    def broken(*_: object) -> Iterator[FoundFile]:
        raise OSError("no such device")

    monkeypatch.setattr(*((encoder, "encode") if where == "encode" else (shard, "files")), broken)
    with pytest.raises(OSError, match="no such device"):
        Pipeline(RunFolder.create_or_open(tmp_path / "run"), encoder, 4, 2).run([shard], _Report())

    assert set() == set(threading.enumerate()) - before  # threads of other tests may end meanwhile
    assert not (tmp_path / "run" / "images").exists()


def test_a_full_disk_is_reported_while_waiting_for_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last write fails while the pipeline waits for the next shard: the caller gets the error at once."""
    finished = threading.Event()

    def one_then_wait() -> Iterator[_CountingShard]:
        yield _CountingShard(3)
        finished.wait(PATIENCE_S)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(embed_module, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        Pipeline(RunFolder.create_or_open(tmp_path / "run"), ColourOn()("cpu"), 4, 2).run(
            one_then_wait(), _Report()
        )
    finished.set()


def test_the_busiest_part_bounds_the_throughput() -> None:
    """Shares are of the time that passed; parallel pipelines are added up."""
    one = Throughput(passed_s=10, reading_s=1, decoding_s=9, model_s=4)
    other = Throughput(passed_s=10, reading_s=1, decoding_s=3, model_s=10)

    assert "decoding" == one.bounded_by
    assert "model" == other.bounded_by
    assert {"reading": 0.1, "decoding": 0.6, "model": 0.7} == sum_throughputs([one, other]).shares
