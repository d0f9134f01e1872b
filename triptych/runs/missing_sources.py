"""Stand-ins for sources of a run that have gone since their images were embedded.

Comes in: a run folder, the current shards of its sources. Goes out: the same with a GoneShard for each
missing archive, so that a run of a thousand archives continues if a disk loses one: a caption that needs it
fails with that reason. Also a line for each missing or damaged archive. Not its job: what to do about new,
changed and missing files (see source_changes).
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
"""How many missing or damaged archives are named; the others are counted."""


class ListedShard(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of ``sources.jsonl``: a shard as it was embedded."""

    name: str
    archive_key: str | None
    """None: loose files."""
    fingerprint: str
    """Its fingerprint when it was embedded; empty for loose files, whose records have size and time."""
    first_key: str = ""
    last_key: str = ""
    """For loose files, the range of keys that it was cut from."""
    batch: int = 0
    """Counts the times that images were added to the run, from 0. Earlier images stay before later ones."""


class GoneShard:
    """Stands for an archive that is no longer in the sources."""

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
    """The loose files that a shard was embedded with, however the sources are cut into shards now."""

    def __init__(self, name: str, loose: LooseFiles, run: RunFolder) -> None:
        super().__init__(name, loose, 0, 0)
        self._run = run

    @cached_property
    def own(self) -> LooseShard:
        """The shard with only its own files. Reads its records, which ``read`` doesn't need."""
        keys, places = self.loose.keys, []
        for record in self._run.images(self.name):
            at = bisect.bisect_left(keys, record.key)
            if keys[at : at + 1] == [record.key]:
                places.append(at)
        part = self.loose.subset(places)
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

    def sidecars(self, suffix: str) -> Iterator[tuple[str, bytes]]:
        return self.own.sidecars(suffix)


def listed_shards(run: RunFolder) -> Iterator[ListedShard]:
    """The shards in ``sources.jsonl``; none before embedding began.

    Raises SetupError if the file has changed since embedding finished.
    """
    if not run.sources_file.exists():
        return iter(())
    run.refuse_changed_file("embeddings", run.sources_file.name)
    return read_jsonl(run.sources_file, ListedShard)


def gone_archives(shards: Sequence[Shard]) -> list[str]:
    """A line for each missing archive among ``shards``."""
    gone = [shard.archive_key for shard in shards if isinstance(shard, GoneShard)]
    lines = [f"{key} is not in the sources any more" for key in gone[:MOST_LINES]]
    if len(gone) > MOST_LINES:
        lines.append(f"{len(gone) - MOST_LINES:,} more archives are not in the sources any more")
    return lines


def without_gone_archives(run: RunFolder, sources: Sequence[str]) -> Sequence[str]:
    """``sources`` without missing archives and images that were named directly, unless nothing is left."""
    if not run.sources_file.exists():
        return sources
    files = (*ARCHIVE_SUFFIXES, *IMAGE_SUFFIXES)

    def may_be_gone(source: str) -> bool:
        return source.lower().endswith(files) and not is_pattern(source)

    return [each for each in sources if not may_be_gone(each) or exists(each)] or sources


def with_gone_shards(run: RunFolder, shards: Sequence[Shard]) -> list[Shard]:
    """A shard to read each shard of the run: ``shards``, and stand-ins for the missing ones, sorted by name.
    Every shard of loose files can read all loose files."""
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
    """Collects the records of damaged archives or damaged parts of them."""

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
        """A line for each archive, and a last one for how many more there are."""
        yield from self._lines
        if self._count > len(self._lines):
            yield f"{self._count - len(self._lines):,} more damaged archives; images/*.jsonl has each reason"
