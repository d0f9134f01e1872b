"""The stage ``embeddings``.

Comes in: a run, sources, a config. Goes out: images/ and embeddings/, and whether there was anything to do.
It goes on where a killed run stopped. Not its job: sets (see sets_stage); the folder's lock and ``--fresh``
(see triptych); embedding without a run (see library).
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from triptych.executors.processes import core_count
from triptych.grouping.config import EmbeddingConfig
from triptych.grouping.encoders import Checkpoint
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder, usable_devices
from triptych.progress import Progress, Task
from triptych.records import ImageRecord, reason_class
from triptych.runs.checkpoints import forget_shard, forget_shards, note_shard, refuse_damaged_shards
from triptych.runs.context import RunContext
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.ledger.noted import as_note
from triptych.runs.missing_sources import ArchiveDamage
from triptych.runs.other_embeddings import (
    embeddings_to_go_on_with,
    switch_embeddings,
    undo_half_a_switch,
)
from triptych.runs.source_changes import find_changes
from triptych.sources.shard import Shard, estimate_count

if TYPE_CHECKING:
    from triptych.grouping.embedding.device_workers import Embed
    from triptych.grouping.embedding.stored_embeddings import StoredShard
    from triptych.grouping.embedding.throughput import Throughput

EMBEDDINGS_DATA_VERSION = 4
"""Of the folders encoders and embedding. Raise it when the same images would get other rows."""

STORED_EMBEDDINGS = "stored embeddings"
"""What a run has as its encoder whose embeddings are from elsewhere."""


def embed_sources(
    run: RunContext,
    sources: Sequence[Shard],
    config: EmbeddingConfig,
    before_work: Callable[[], object] = lambda: None,
) -> bool:
    """Embed what of ``sources`` isn't embedded yet, and count what is gone as gone. Returns whether there
    was work. ``before_work`` is called where there is anything to embed.

    Batch size, threads and devices are no part of the fingerprint: they change how fast rows come,
    not what they mean. Raises SetupError where the model can't be loaded, or the folder was made from
    another model or of other images. Embeddings of another model stay beside (see other_embeddings).
    """
    folder, progress = run.folder, run.progress
    checkpoint = resolve_encoder(config.model, config.pretrained)
    settings = embedding_settings(config, checkpoint)
    there = _embeddings_there(folder, settings)
    if there.is_finished("embeddings"):
        there.refuse_damage({name: there.digest(name) for name in ("images", "embeddings")})
    else:
        refuse_damaged_shards(there)
    changes = find_changes(there, sources)
    for line in changes.lines:
        progress.say(f"note: {line}")
    if there is folder and folder.is_finished("embeddings") and changes.are_none and changes.is_listed:
        return False

    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        embed = None
        if changes.todo:
            before_work()
            embed = stack.enter_context(_open_devices(run, checkpoint, config, len(changes.todo)))
        # Now: a model that fails must leave no trace.
        _switch(run, there)
        folder.begin_stage("embeddings", settings, {})
        if folder.is_finished("embeddings"):
            folder.reopen_stage("embeddings")
        changes.apply(folder)
        notes: dict[str, Setting] = {}
        if embed is not None:
            with progress.task("embeddings", _say_how_many(changes.todo, progress), "images") as task:
                report = _Report(folder, task, len(changes.listed), len(changes.todo))
                embed(changes.todo, report)
            notes = report.notes
    found, unreadable = _finish_embeddings(run, began, notes)
    progress.say(
        f"embeddings: {found:,} files found, {found - unreadable:,} images, {unreadable:,} unreadable"
    )
    return not changes.are_none or there is not folder


def embedding_settings(config: EmbeddingConfig, checkpoint: Checkpoint) -> dict[str, Setting]:
    """What embeddings by ``checkpoint`` depend on."""
    return {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": checkpoint.identity,
        "precision": config.precision,
    }


def _embeddings_there(folder: RunFolder, settings: Mapping[str, Setting]) -> RunFolder:
    """Those to go on with, after what killed processes have left was put in order."""
    undo_half_a_switch(folder)
    folder.goes_on_afresh("embeddings", settings, {})
    return embeddings_to_go_on_with(folder, settings)


def _switch(run: RunContext, there: RunFolder) -> None:
    if there is run.folder:
        return
    before, found = run.folder.run_file.stages["embeddings"], there.run_file.stages.get("embeddings")
    switch_embeddings(run.folder, there)
    going_on = f"going on with those by {found.settings['encoder']}; " if found is not None else ""
    run.progress.say(f"embeddings: {going_on}those by {before.settings['encoder']} are kept")


def _finish_embeddings(run: RunContext, began: float, notes: dict[str, Setting]) -> tuple[int, int]:
    """How many records there are, and of those unreadable; says which archives are damaged."""
    files = _Files()
    files.add(run.folder.all_images())
    for line in files.damage.lines():
        run.progress.say(f"note: {line}")
    took = {"took_s": round(time.monotonic() - began, 1)}
    run.folder.finish_stage("embeddings", {**files.notes, **notes, **took})
    forget_shards(run.folder)
    return files.found, files.unreadable.total()


class _Files:
    """What became of files, added up."""

    def __init__(self) -> None:
        self.found = self.gone = 0
        self.unreadable: Counter[str] = Counter()
        """By class of reason."""
        self.damage = ArchiveDamage()

    def add(self, records: Iterable[ImageRecord]) -> None:
        for record in records:
            if record.is_gone:
                self.gone += 1
                continue
            self.found += 1
            if record.unreadable is not None:
                self.unreadable[reason_class(record.unreadable)] += 1
            self.damage.look_at(record)

    @property
    def notes(self) -> dict[str, Setting]:
        return {
            "found": self.found,
            "unreadable": self.unreadable.total(),
            "unreadable_by": as_note(self.unreadable),
            "gone": self.gone,
        }


def _say_how_many(shards: Sequence[Shard], progress: Progress) -> int | None:
    """The files that ``shards`` will come to, as far as that can be told beforehand."""
    estimate = estimate_count(shards)
    if estimate is None:
        return None
    if estimate.is_estimate:
        progress.say(
            f"embeddings: about {estimate.files:,} files in {len(shards):,} shards, by the beginning of a few"
        )
    return estimate.files


def _open_devices(
    run: RunContext, checkpoint: Checkpoint, config: EmbeddingConfig, shards: int
) -> AbstractContextManager[Embed]:
    """More devices than shards would have nothing to do; the cores are shared out to them. On a cluster a
    worker has what the config says."""
    run.progress.say(f"embeddings: loading the encoder {config.model}")
    from triptych.grouping.embedding.device_workers import open_devices

    if run.cluster is not None:
        cluster, threads = run.cluster, max(1, int(run.cluster.config.cpus_per_worker))
        is_on_gpu = config.devices != ("cpu",) and cluster.has_gpus
        return open_devices(
            run,
            ["cuda" if is_on_gpu else "cpu"],
            partial(load_encoder, checkpoint, precision=config.precision, cpu_threads=threads),
            batch_size=config.batch_size,
            decode_threads=config.decode_threads or threads,
            gpus=cluster.config.gpus_per_worker if is_on_gpu else 0,
        )
    devices = usable_devices(config.devices)[: max(1, shards)]
    cores = core_count()
    decode_threads = max(1, (config.decode_threads or cores) // len(devices))
    load = partial(
        load_encoder, checkpoint, precision=config.precision, cpu_threads=max(1, cores // len(devices))
    )
    return open_devices(run, devices, load, batch_size=config.batch_size, decode_threads=decode_threads)


class _Report:
    """Shows how far embedding is, and notes it in the run, for `triptych status` while it goes on."""

    def __init__(self, run: RunFolder, task: Task, shard_count: int, todo: int) -> None:
        self._run, self._task = run, task
        self._shards, self._whole = shard_count, shard_count - todo
        self._files = 0
        self._all_files = _Files()
        for shard in filter(run.is_embedded, run.shards()):
            self._all_files.add(run.images(shard))
        self._began = time.monotonic()
        self._throughput: Throughput | None = None

    def advance(self, shard: str, files: int, throughput: Throughput) -> None:
        self._files += files
        self._throughput = throughput
        self._task.advance(files)
        self._task.note(f"bounded by {throughput.bounded_by}")

    def wrote(self, shard: str) -> None:
        self._whole += 1
        self._all_files.add(self._run.images(shard))
        self._run.run_file.stages["embeddings"].notes = {
            "shards_whole": f"{self._whole:,} of {self._shards:,}",
            **self._all_files.notes,
            **self.notes,
        }
        self._run.save()

    @property
    def notes(self) -> dict[str, Setting]:
        """Images per second since this process began, which part bounds them, and how busy each part is."""
        if self._throughput is None:
            return {}
        busy = ", ".join(f"{part} {share:.0%}" for part, share in self._throughput.shares.items())
        per_s = self._files / max(time.monotonic() - self._began, 1e-9)
        return {"images_per_s": round(per_s, 1), "bounded_by": self._throughput.bounded_by, "busy": busy}


def adopt_embeddings(run: RunContext, stored: Sequence[StoredShard]) -> bool:
    """Take over embeddings from elsewhere in place of embed_sources. Returns whether there was work.

    Raises SetupError where the folder was made from other embeddings.
    """
    folder = run.folder
    settings: dict[str, Setting] = {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": STORED_EMBEDDINGS,
        "source": _describe(stored),
    }
    there = _embeddings_there(folder, settings)
    _switch(run, there)
    if not folder.begin_stage("embeddings", settings, {}):
        return there is not folder
    from triptych.grouping.embedding.stored_embeddings import adopt

    began = time.monotonic()
    refuse_damaged_shards(folder)
    for shard in stored:
        if not folder.is_embedded(shard.name):
            forget_shard(folder, shard.name)
            adopt(folder, shard)
            note_shard(folder, shard.name)
    found, unreadable = _finish_embeddings(run, began, {})
    run.progress.say(
        f"embeddings: {found:,} stored rows taken over, {unreadable:,} of them without a direction"
    )
    return True


def _describe(stored: Sequence[StoredShard]) -> str:
    """How many shards, and a digest that changes with any byte of them."""
    digest = hashlib.sha256()
    for shard in sorted(stored, key=lambda each: each.name):
        digest.update(f"{shard.name}\n{shard.fingerprint()}\n".encode())
    count = len(stored)
    return f"{count} {'shard' if count == 1 else 'shards'}, files {digest.hexdigest()[:16]}"
