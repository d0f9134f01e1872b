"""What the sources of a run were when its embeddings were begun, shard by shard.

Comes in: a run folder, the shards that its sources come to now. Goes out: the same with a stand-in for each
archive that has gone since, so that a run of a thousand archives goes on when a disk has lost one: what was
embedded stays, what wasn't is a record, and a caption that needs the archive fails with that reason.
Not its job: archives that have changed or were added (see grouping.stage, which refuses them).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence

import msgspec

from corpus.files import read_jsonl, write_jsonl
from corpus.folders import LOOSE_PREFIX, FolderShard, LooseFiles
from corpus.found import FoundFile
from corpus.runfolder import RunFolder
from corpus.sources import Shard


class ListedShard(msgspec.Struct, frozen=True):
    """A shard as it was."""

    name: str
    fingerprint: str


class GoneShard:
    """Stands for an archive that isn't in the sources any more."""

    file_count = 1
    size_bytes = None

    def __init__(self, listed: ListedShard) -> None:
        self.name = listed.name
        self._fingerprint = listed.fingerprint

    @property
    def key(self) -> str:
        """Of the record that says so."""
        return f"{self.name}{'.parquet' if '.parquet' in self._fingerprint else '.tar'}"

    def fingerprint(self) -> str:
        return self._fingerprint

    def files(self) -> Iterator[FoundFile]:
        yield FoundFile(key=self.key, unreadable="read error: not in the sources any more")

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)


def note_sources(run: RunFolder, shards: Sequence[Shard]) -> None:
    """Write down what the sources are, if it isn't written yet."""
    if not run.sources_file.exists():
        write_jsonl(run.sources_file, (ListedShard(shard.name, shard.fingerprint()) for shard in shards))


def with_gone_shards(run: RunFolder, shards: Sequence[Shard]) -> list[Shard]:
    """``shards`` and what of the noted ones isn't among them, sorted by name."""
    if not run.sources_file.exists():
        return list(shards)
    there = {shard.name for shard in shards}
    loose = next((s.loose for s in shards if isinstance(s, FolderShard)), LooseFiles({}, {}))
    gone: list[Shard] = []
    for listed in read_jsonl(run.sources_file, ListedShard):
        if listed.name in there:
            continue
        if listed.name.startswith(LOOSE_PREFIX):  # fewer files than there were: all are in the shards before
            gone.append(FolderShard(listed.name, loose, len(loose.keys), len(loose.keys)))
        else:
            gone.append(GoneShard(listed))
    return sorted([*shards, *gone], key=lambda shard: shard.name)
