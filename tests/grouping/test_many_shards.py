"""A thousand shards, some of which are not what they should be."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from corpus.progress import Silent, Task
from corpus.recount_images import recount_images
from corpus.runfolder import RunFolder
from corpus.sources import open_sources
from grouping.config import EmbeddingConfig, SetsConfig
from grouping.stage import embed_sources, make_sets

SHARDS = 1_000
CORRUPT, EMPTY, TRUNCATED, VANISHING = 17, 400, 555, 950


class _RemoveHalfWay(Silent):
    """Removes a file when half of the images are done."""

    def __init__(self, doomed: Path) -> None:
        self._doomed = doomed
        self._done = 0

    @contextlib.contextmanager
    def task(self, label: str, total: int | None, unit: str) -> Iterator[Task]:
        yield self

    def advance(self, count: int) -> None:
        self._done += count
        if self._done == SHARDS // 2:
            self._doomed.unlink()


def _tar_of(number: int) -> bytes:
    picture, archive = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (16, 16), (number % 256, number // 256 * 60, 90)).save(picture, "PNG")
    with tarfile.open(fileobj=archive, mode="w") as tar:
        header = tarfile.TarInfo(f"sa_{number}.png")
        header.size = len(picture.getvalue())
        tar.addfile(header, io.BytesIO(picture.getvalue()))
    return archive.getvalue()


@pytest.mark.slow
def test_every_one_of_a_thousand_shards_is_accounted_for(tiny_clip: Path, tmp_path: Path) -> None:
    """A corrupt, an empty, a truncated one, one that goes half-way: 996 images, 4 records of damage."""
    source = tmp_path / "source"
    source.mkdir()
    for number in range(SHARDS):
        content = _tar_of(number)
        if number == CORRUPT:
            content = b"no archive " * 100
        elif number == EMPTY:
            content = b""
        elif number == TRUNCATED:
            content = content[:540]
        (source / f"sa_{number:06d}.tar").write_bytes(content)
    run = RunFolder.create_or_open(tmp_path / "run")
    progress = _RemoveHalfWay(source / f"sa_{VANISHING:06d}.tar")

    embed_sources(run, open_sources([source]), EmbeddingConfig(model=str(tiny_clip)), progress)
    make_sets(run, SetsConfig(), Silent())

    counts, offences = recount_images(run)
    bad = [record for record in run.all_images() if record.unreadable is not None]
    assert [] == offences
    assert SHARDS == len(run.shards())
    assert Counter({"truncated archive": 3, "read error": 1}) == Counter(
        str(record.unreadable).partition(":")[0] for record in bad
    )
    assert {CORRUPT, EMPTY, TRUNCATED, VANISHING} == {
        int(record.key.removeprefix("sa_")[:6]) for record in bad
    }
    assert counts.found == SHARDS
    assert SHARDS - 4 == sum((counts.duplicates or {}).values()) + (counts.in_sets or 0) + (
        counts.single or 0
    )
