"""What the sources of a run were when its embeddings were begun, shard by shard.

Comes in: a run folder, the shards of its sources as they are now. Goes out: the same with a GoneShard for
each archive that has gone since, so that a run of a thousand archives goes on when a disk has lost one: what
was embedded stays, what wasn't is a record, and a caption that needs the archive fails with that reason. What
was added or has changed is refused: a run never mixes old and new. And which archives were damaged or lost,
in one line each.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from triptych.errors import SetupError
from triptych.records import ImageRecord
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import read_jsonl, write_jsonl
from triptych.sources.loose_files import LOOSE_PREFIX, LooseFiles, LooseShard
from triptych.sources.regular_files import size_of
from triptych.sources.shard import FoundFile, Shard
from triptych.sources.source_kinds import ARCHIVE_SUFFIXES

MOST_LINES = 20
"""Of archives that have gone or are damaged; more are counted."""

MOST_SHOWN = 60
"""Letters of a part of a fingerprint: a person can't read a digest."""


class ListedShard(msgspec.Struct, frozen=True):
    """A shard as it was."""

    name: str
    archive_key: str | None
    """None: loose files."""
    fingerprint: str


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


def note_sources(run: RunFolder, shards: Sequence[Shard]) -> None:
    """Write down what the sources are, if it isn't written yet."""
    if not run.sources_file.exists():
        write_jsonl(
            run.sources_file,
            (ListedShard(shard.name, shard.archive_key, shard.fingerprint()) for shard in shards),
        )


def _noted(run: RunFolder) -> Iterator[ListedShard]:
    """What ``note_sources`` wrote. Raises SetupError where it isn't that any more."""
    run.refuse_changed_file("embeddings", run.sources_file.name)
    return read_jsonl(run.sources_file, ListedShard)


def gone_archives(shards: Sequence[Shard]) -> list[str]:
    """Those of ``shards`` that have gone, in one line each."""
    gone = [shard.archive_key for shard in shards if isinstance(shard, GoneShard)]
    lines = [f"{key} is not in the sources any more" for key in gone[:MOST_LINES]]
    if len(gone) > MOST_LINES:
        lines.append(f"{len(gone) - MOST_LINES:,} more archives are not in the sources any more")
    return lines


def settle_sources(run: RunFolder, shards: Sequence[Shard]) -> list[str]:
    """What has gone since the sources were noted, in one line each; ``shards`` then count as the noted ones.

    Raises SetupError, naming some, where shards were added or have changed. Of loose files, some may have
    gone only when all are embedded: before that, those that are left would be cut into other shards.
    """
    if not run.sources_file.exists():
        return []
    noted = {listed.name: listed.fingerprint for listed in _noted(run)}
    lines = gone_archives(shards)
    other = [shard for shard in shards if noted.get(shard.name) != shard.fingerprint()]
    loose = [shard for shard in other if isinstance(shard, LooseShard)]
    if loose and run.is_finished("embeddings") and (lost := _lost_files(run, loose[0].loose)):
        for shard in loose:
            shard.keep_fingerprint(noted[shard.name])
        lines.append(f"{lost:,} loose files are not in the sources any more")
        other = [shard for shard in other if not isinstance(shard, LooseShard)]
    if other:
        _refuse(run, noted, other)
    return lines


def _lost_files(run: RunFolder, loose: LooseFiles) -> int:
    """How many files of the run's records aren't there; 0 where others are new or have another size."""
    at = lost = 0
    for name in run.shards():
        for record in run.images(name) if name.startswith(LOOSE_PREFIX) else ():
            if at == len(loose.images) or loose.images[at] != record.key:
                lost += bool(record.content_hash) or (record.unreadable or "").startswith("read error")
                continue
            if record.content_hash and record.size_bytes != size_of(loose.path_of(record.key)):
                return 0
            at += 1
    return lost if at == len(loose.images) else 0


def _refuse(run: RunFolder, noted: Mapping[str, str], other: Sequence[Shard]) -> None:
    how = []
    for shard in other[:3]:
        before = noted.get(shard.name)
        changed = f"has changed ({_differing(before, shard.fingerprint())})" if before else "is new"
        how.append(f"{shard.name} {changed}")
    more = f" and {len(other) - 3:,} more" if len(other) > 3 else ""
    raise SetupError(
        f"the sources of {run.path} are not those that it was begun with: {', '.join(how)}{more};"
        " put back what there was, add --fresh embeddings to make them again, or name another --out",
        path=run.path,
    )


def _differing(before: str, now: str) -> str:
    """The first part of two fingerprints that differs, unless it is a digest."""
    for was, found in zip(before.split("\t"), now.split("\t"), strict=False):
        if was != found and len(was) < MOST_SHOWN:
            return f"{was}, now {found}"
    return "files were replaced, resized or renamed"


def without_gone_archives(run: RunFolder, sources: Sequence[Path]) -> Sequence[Path]:
    """``sources`` without the archives that were named by themselves and have gone, if others are left."""
    if not run.sources_file.exists():
        return sources
    return [
        source for source in sources if not source.name.lower().endswith(ARCHIVE_SUFFIXES) or source.exists()
    ] or sources


def with_gone_shards(run: RunFolder, shards: Sequence[Shard]) -> list[Shard]:
    """``shards`` and what of the noted ones isn't among them, sorted by name."""
    if not run.sources_file.exists():
        return list(shards)
    there = {shard.name for shard in shards}
    loose = next((s.loose for s in shards if isinstance(s, LooseShard)), LooseFiles({}, {}))
    gone: list[Shard] = []
    for listed in _noted(run):
        if listed.name in there:
            continue
        if listed.archive_key is None:  # fewer files than there were: all are in the shards before
            gone.append(LooseShard(listed.name, loose, len(loose.keys), len(loose.keys)))
        else:
            gone.append(GoneShard(listed.name, listed.archive_key, listed.fingerprint))
    return sorted([*shards, *gone], key=lambda shard: shard.name)


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
