"""How the sources have changed since their images were embedded: what is new, changed, gone or back.

Comes in: a run folder, the current shards of its sources. Goes out: the shards to embed, and the changes to
the run's records, to be applied. A changed archive is embedded again as a whole; of loose files, only the
changed ones are. What is gone keeps its row in the embeddings and its captions, and counts again when it is
back. Not its job: embedding (see grouping.stage), sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from triptych.errors import SetupError
from triptych.records import content_hash
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl
from triptych.runs.loose_changes import LooseChanges
from triptych.runs.missing_sources import GoneShard, ListedShard, gone_archives, listed_shards
from triptych.runs.record_edits import Edits, as_back, as_gone, edits_of, write_edited
from triptych.sources.image_format import has_decoder_now
from triptych.sources.loose_files import LooseFiles, LooseShard, is_loose_name
from triptych.sources.regular_files import READ_ERROR
from triptych.sources.shard import Shard

NEVER_EMBEDDED = "gone before it was embedded"
"""The fingerprint noted for such an archive, so that it is embedded when it is back."""

_NO_DECODER, _COULD_NOT_BE_READ = b"install triptych[", f'"unreadable":"{READ_ERROR}'.encode()
"""Bytes that a file of records has if a decoder was missing, or a file couldn't be read."""

MOST_NAMED = 3
"""How many files a line names."""


class SourceChanges(NamedTuple):
    """How the sources of a run have changed, and what to do about it."""

    todo: list[Shard]
    """The shards to embed."""
    listed: list[ListedShard]
    """The new content of ``sources.jsonl``."""
    is_listed: bool
    """Whether ``sources.jsonl`` has it already."""
    edits: dict[str, Edits]
    """By shard."""
    removed: list[str]
    """Shards whose records and embeddings are removed: those of changed archives, and those of which neither
    an image nor its embedding is left."""
    lines: list[str]
    """Messages for the user."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to embed and no record to change."""
        return not (self.todo or self.edits or self.removed)

    def apply(self, run: RunFolder) -> None:
        """Write the changes. After an interruption, ``find_changes`` finds the rest again."""
        for name in self.removed:
            run.images_file(name).unlink(missing_ok=True)
            run.embeddings_file(name).unlink(missing_ok=True)
        for name, edits in self.edits.items():
            write_edited(run, name, edits)
        if not self.is_listed:
            write_jsonl(run.sources_file, self.listed)


def find_changes(run: RunFolder, shards: Sequence[Shard]) -> SourceChanges:
    """Compare ``shards``, those of all sources, with the run. Changes nothing.

    Raises SetupError if they contain none of the run's images.
    """
    noted = list(listed_shards(run))
    batch = max((each.batch for each in noted), default=-1)
    batch += run.is_finished("embeddings") or not noted
    there = [shard for shard in shards if not isinstance(shard, (LooseShard, GoneShard))]
    names = {shard.name for shard in there}
    # sources.jsonl may be lost: then a shard's name has to do for that of an archive that is gone as well
    listed_before = {each.name: each for each in noted}
    for name in sorted({*run.shards()} - names - listed_before.keys()):
        if not is_loose_name(name):
            listed_before[name] = ListedShard(name, name, "")
    archives = _Archives(run, listed_before, batch)
    for shard in there:
        archives.compare(shard)
    archives.note_missing(names)
    files = next((shard.loose for shard in shards if isinstance(shard, LooseShard)), LooseFiles({}, {}))
    loose = LooseChanges(run, files)
    known, still_there = loose.images + archives.known, loose.still_there + archives.still_there
    if known and not still_there:
        raise SetupError(
            f"none of the images of {run.path} is in the sources; name the place that they have moved to, the"
            " old sources beside the new ones, or another --out for other images",
            path=run.path,
        )
    cut = loose.shards(run, noted, batch)
    by_name = {each.name: each for each in noted}
    embedded = [
        by_name.get(name) or ListedShard(name, None, "", first_key=first, last_key=last)
        for name, (first, last) in loose.embedded.items()
    ]
    listed = sorted([*archives.listed, *embedded, *(each for each, _ in cut)], key=lambda each: each.name)
    todo = sorted([*archives.todo, *(shard for _, shard in cut)], key=lambda shard: shard.name)
    lines = [
        *gone_archives([*archives.todo, *archives.gone]),
        *(
            f"{shard.archive_key} has changed, or can be read now: all of it is embedded again"
            for shard in archives.changed
        ),
        *_line(loose.gone, "not in the sources any more"),
        *_line(loose.changed, "changed"),
    ]
    removed = [shard.name for shard in archives.changed]
    removed += set(loose.lost) - {shard.name for shard in todo}
    return SourceChanges(todo, listed, listed == noted, {**loose.edits, **archives.edits}, removed, lines)


def _line(keys: Sequence[str], what: str) -> list[str]:
    if not keys:
        return []
    named = ", ".join(keys[:MOST_NAMED])
    files = "file is" if len(keys) == 1 else "files are"
    more = f" and {len(keys) - MOST_NAMED:,} more" if len(keys) > MOST_NAMED else ""
    return [f"{len(keys):,} {files} {what}: {named}{more}"]


class _Archives:
    """Compares archives with what ``sources.jsonl`` notes about them."""

    def __init__(self, run: RunFolder, noted: dict[str, ListedShard], batch: int) -> None:
        self._run, self._noted, self._batch = run, noted, batch
        state = run.run_file.stages.get("embeddings")
        self._are_all_read = state is not None and state.finished and state.notes.get("unreadable") == 0
        """Whether no record can be of a file that couldn't be read."""
        self.listed: list[ListedShard] = []
        self.todo: list[Shard] = []
        self.edits: dict[str, Edits] = {}
        self.changed: list[Shard] = []
        self.gone: list[Shard] = []
        self.known = self.still_there = 0

    def compare(self, shard: Shard) -> None:
        """Compare an archive that is in the sources."""
        noted, embedded = self._noted.get(shard.name), self._run.is_embedded(shard.name)
        self.known += embedded
        self.still_there += embedded
        is_same = embedded and self._is_same(shard, noted)
        batch = noted.batch if noted is not None and (is_same or not embedded) else self._batch
        self.listed.append(ListedShard(shard.name, shard.archive_key, shard.fingerprint(), batch=batch))
        if is_same:
            self._edit(shard.name, is_back=True)
            return
        self.todo.append(shard)
        if embedded:
            self.changed.append(shard)

    def note_missing(self, there: set[str]) -> None:
        """Note the archives whose shards are no longer ``there``."""
        for noted in self._noted.values():
            if noted.archive_key is None or noted.name in there:
                continue
            gone = GoneShard(noted.name, noted.archive_key, NEVER_EMBEDDED)
            if self._run.is_embedded(noted.name):
                self.known += noted.fingerprint != NEVER_EMBEDDED
                self.listed.append(noted)
                self.gone.append(gone)
                self._edit(noted.name, is_back=False)
            else:
                self.listed.append(
                    ListedShard(noted.name, noted.archive_key, NEVER_EMBEDDED, batch=noted.batch)
                )
                self.todo.append(gone)

    def _edit(self, name: str, *, is_back: bool) -> None:
        """Edit the records if the first one needs it: all images of an archive are there or gone."""
        first = self._run.first_image(name)
        if first is not None and first.is_gone == is_back:
            self.edits[name] = edits_of(self._run, name, as_back if is_back else as_gone)

    def _is_same(self, shard: Shard, noted: ListedShard | None) -> bool:
        """Whether an archive is unchanged: by size and time, or by the bytes of all members if only the time
        differs, nothing is noted, or some of it could not be read."""
        now = shard.fingerprint()
        if noted is not None and noted.fingerprint == now:
            if self._are_all_read:
                return True
            records_json = self._run.images_file(shard.name).read_bytes()
            if _NO_DECODER in records_json and has_decoder_now(records_json.decode(errors="replace")):
                return False
            if _COULD_NOT_BE_READ not in records_json:
                return True
        if noted is not None and noted.fingerprint.rpartition("\t")[0] != now.rpartition("\t")[0]:
            return False
        records = self._run.images(shard.name)
        for file in shard.files():
            record = next(records, None)
            if record is None or record.key != file.key:
                return False
            if record.content_hash != (content_hash(file.content) if file.unreadable is None else ""):
                return False
        return next(records, None) is None
