"""What the sources of a run were when their images were embedded, shard by shard.

Comes in: a run folder, the shards of its sources as they are now. Goes out: the same with a GoneShard for
each archive that has gone since, so that a run of a thousand archives goes on when a disk has lost one: a
caption that needs the archive fails with that reason. And which archives were damaged or lost, in one line
each. Not its job: what to do about new, changed and gone files (see source_changes).
"""

from __future__ import annotations

import bisect
import errno
import os
from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec

from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_jsonl
from triptych.sources.file_names import IMAGE_SUFFIXES
from triptych.sources.listing import is_pattern
from triptych.sources.locations import exists
from triptych.sources.loose_files import LooseFiles, LooseShard
from triptych.sources.shard import FoundFile, Shard
from triptych.sources.source_kinds import ARCHIVE_SUFFIXES

MOST_LINES = 20
"""Of archives that have gone or are damaged; more are counted."""


class ListedShard(msgspec.Struct, frozen=True, omit_defaults=True):
    """A shard as it was."""

    name: str
    archive_key: str | None
    """None: loose files."""
    fingerprint: str
    """As it was when it was embedded; empty for loose files, whose records say it one by one."""
    first_key: str = ""
    last_key: str = ""
    """Of loose files, the first and the last that it was cut for."""
    batch: int = 0
    """Which time images were added to the run: 0 at first. What was there before stays before what is new."""


class GoneShard:
    """An archive that isn't in the sources any more."""

    file_count = 1

    def __init__(self, name: str, archive_key: str, fingerprint: str) -> None:
        self.name, self.archive_key = name, archive_key
        self._fingerprint = fingerprint

    def fingerprint(self) -> str:
        return self._fingerprint

    def files(self) -> Iterator[FoundFile]:
        yield FoundFile(key=self.archive_key, unreadable="read error: not in the sources any more")

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)


class RunLooseShard(LooseShard):
    """The loose files that a shard of a run was made of, whatever the sources are cut into now."""

    def __init__(self, name: str, loose: LooseFiles, run: RunFolder) -> None:
        super().__init__(name, loose, 0, 0)
        self._run = run

    @cached_property
    def own(self) -> LooseShard:
        """Reads the shard's records: only where more than some image's bytes are asked for."""
        keys, places = self.loose.keys, []
        for record in self._run.images(self.name):
            at = bisect.bisect_left(keys, record.key)
            if keys[at : at + 1] == [record.key]:
                places.append(at)
        part = self.loose.part(places)
        return LooseShard(self.name, part, 0, len(part.keys))

    def __reduce__(self) -> tuple[object, ...]:
        return self.own.__reduce__()

    def fingerprint(self) -> str:
        return self.own.fingerprint()

    @property
    def keys(self) -> Sequence[str]:
        return self.own.keys

    def files(self) -> Iterator[FoundFile]:
        return self.own.files()

    def files_beside(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        return self.own.files_beside(suffix)


def listed_shards(run: RunFolder) -> Iterator[ListedShard]:
    """What ``sources.jsonl`` says; nothing before embedding began.

    Raises SetupError where it isn't what embedding has left.
    """
    if not run.sources_file.exists():
        return iter(())
    run.refuse_changed_file("embeddings", run.sources_file.name)
    return read_jsonl(run.sources_file, ListedShard)


def gone_archives(shards: Sequence[Shard]) -> list[str]:
    """Those of ``shards`` that have gone, in one line each."""
    gone = [shard.archive_key for shard in shards if isinstance(shard, GoneShard)]
    lines = [f"{key} is not in the sources any more" for key in gone[:MOST_LINES]]
    if len(gone) > MOST_LINES:
        lines.append(f"{len(gone) - MOST_LINES:,} more archives are not in the sources any more")
    return lines


def without_gone_archives(run: RunFolder, sources: Sequence[str]) -> Sequence[str]:
    """``sources`` without the archives and images that were named by themselves and have gone, if others are
    left."""
    if not run.sources_file.exists():
        return sources
    files = (*ARCHIVE_SUFFIXES, *IMAGE_SUFFIXES)

    def may_be_gone(source: str) -> bool:
        return source.lower().endswith(files) and not is_pattern(source)

    return [each for each in sources if not may_be_gone(each) or exists(each)] or sources


def with_gone_shards(run: RunFolder, shards: Sequence[Shard]) -> list[Shard]:
    """What reads the images of each shard of the run: ``shards``, and stand-ins for those that aren't among
    them, sorted by name. Any shard of loose files reads all of them."""
    loose = next((s.loose for s in shards if isinstance(s, LooseShard)), LooseFiles({}, {}))
    found: dict[str, Shard] = {}
    for shard in shards:
        is_of_run = isinstance(shard, LooseShard) and run.is_embedded(shard.name)
        found[shard.name] = RunLooseShard(shard.name, loose, run) if is_of_run else shard
    for listed in listed_shards(run):
        if listed.name in found:
            continue
        if listed.archive_key is not None:
            found[listed.name] = GoneShard(listed.name, listed.archive_key, listed.fingerprint)
        elif run.is_embedded(listed.name):
            found[listed.name] = RunLooseShard(listed.name, loose, run)
        else:
            found[listed.name] = LooseShard(listed.name, loose, 0, 0)
    return [found[name] for name in sorted(found)]


class ArchiveDamage:
    """Collects the records that stand for an archive or a stretch of one."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def look_at(self, record: ImageRecord) -> None:
        reason = record.unreadable
        if reason is None or reason.startswith("not an image"):
            return
        if record.key.partition("#")[0].lower().endswith(ARCHIVE_SUFFIXES):
            self._count += 1
            if len(self._lines) < MOST_LINES:
                self._lines.append(" ".join(f"{record.key}: {reason}".split()))

    def lines(self) -> Iterator[str]:
        """One an archive; at the end how many more there are."""
        yield from self._lines
        if self._count > len(self._lines):
            yield f"{self._count - len(self._lines):,} more damaged archives; images/*.jsonl has each reason"
