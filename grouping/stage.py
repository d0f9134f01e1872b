"""The stage ``embeddings``.

Comes in: a run, sources, a config. Goes out: images/ and embeddings/, and whether there was work to do. A
killed run is resumed where it stopped. Not its job: sets (see sets_stage); the folder's lock and ``--fresh``
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
    embeddings_to_use,
    switch_embeddings,
    undo_interrupted_switch,
)
from triptych.runs.source_changes import find_changes
from triptych.sources.shard import Shard, estimate_count

if TYPE_CHECKING:
    from triptych.grouping.embedding.device_workers import Embed
    from triptych.grouping.embedding.stored_embeddings import StoredShard
    from triptych.grouping.embedding.throughput import Throughput

EMBEDDINGS_DATA_VERSION = 4
"""Version of the code below encoders and embedding. Raise it when the same images would get other rows."""

STORED_EMBEDDINGS = "stored embeddings"
"""Noted as the encoder of a run whose embeddings were supplied by the user."""


def embed_sources(
    run: RunContext,
    sources: Sequence[Shard],
    config: EmbeddingConfig,
    before_work: Callable[[], object] = lambda: None,
) -> bool:
    """Embed the images of ``sources`` that aren't embedded yet, and mark those that are gone. Returns whether
    there was work to do. ``before_work`` is called first if there is anything to embed.

    Batch size, threads and devices aren't part of the fingerprint: they only affect speed. Raises SetupError
    if the model can't be loaded, or the folder was made with another model or from other images. Embeddings
    of another model are kept beside the new ones (see other_embeddings).
    """
    folder, progress = run.folder, run.progress
    checkpoint = resolve_encoder(config.model, config.pretrained)
    settings = embedding_settings(config, checkpoint)
    existing = _existing_embeddings(folder, settings)
    if existing.is_finished("embeddings"):
        existing.refuse_damage({name: existing.digest(name) for name in ("images", "embeddings")})
    else:
        refuse_damaged_shards(existing)
    changes = find_changes(existing, sources)
    for line in changes.lines:
        progress.say(f"note: {line}")
    is_current = existing is folder
    if is_current and folder.is_finished("embeddings") and changes.is_empty and changes.is_listed:
        return False

    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        embed = None
        if changes.todo:
            before_work()
            embed = stack.enter_context(_open_devices(run, checkpoint, config, len(changes.todo)))
        # Only now: if the model can't be loaded, the folder must be unchanged.
        _switch(run, existing)
        folder.begin_stage("embeddings", settings, {})
        if folder.is_finished("embeddings"):
            folder.reopen_stage("embeddings")
        changes.apply(folder)
        notes: dict[str, Setting] = {}
        if embed is not None:
            with progress.task("embeddings", _estimated_files(changes.todo, progress), "images") as task:
                report = _StageReport(folder, task, len(changes.listed), len(changes.todo))
                embed(changes.todo, report)
            notes = report.notes
    found, unreadable = _finish_embeddings(run, began, notes)
    progress.say(
        f"embeddings: {found:,} files found, {found - unreadable:,} images, {unreadable:,} unreadable"
    )
    return not changes.is_empty or not is_current


def embedding_settings(config: EmbeddingConfig, checkpoint: Checkpoint) -> dict[str, Setting]:
    """Everything that embeddings by ``checkpoint`` depend on, besides the images."""
    return {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": checkpoint.identity,
        "precision": config.precision,
    }


def _existing_embeddings(folder: RunFolder, settings: Mapping[str, Setting]) -> RunFolder:
    """The embeddings to continue with, after cleaning up what killed processes left."""
    undo_interrupted_switch(folder)
    folder.resume_fresh("embeddings", settings, {})
    return embeddings_to_use(folder, settings)


def _switch(run: RunContext, to: RunFolder) -> None:
    if to is run.folder:
        return
    before, found = run.folder.run_file.stages["embeddings"], to.run_file.stages.get("embeddings")
    switch_embeddings(run.folder, to)
    going_on = f"going on with those by {found.settings['encoder']}; " if found is not None else ""
    run.progress.say(f"embeddings: {going_on}those by {before.settings['encoder']} are kept")


def _finish_embeddings(run: RunContext, began: float, notes: dict[str, Setting]) -> tuple[int, int]:
    """Finish the stage and log damaged archives. Returns the numbers of all and of unreadable files."""
    files = _FileCounts()
    files.add(run.folder.all_images())
    for line in files.damage.lines():
        run.progress.say(f"note: {line}")
    took_s = round(time.monotonic() - began, 1)
    run.folder.finish_stage("embeddings", {**files.notes, **notes, "took_s": took_s})
    forget_shards(run.folder)
    return files.found, files.unreadable.total()


class _FileCounts:
    """Counts of files by outcome."""

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


def _estimated_files(shards: Sequence[Shard], progress: Progress) -> int | None:
    """Number of files in ``shards``, estimated if need be; None if unknown."""
    estimate = estimate_count(shards)
    if estimate is None:
        return None
    if estimate.is_estimate:
        progress.say(
            f"embeddings: about {estimate.files:,} files in {len(shards):,} shards, estimated from a few"
        )
    return estimate.files


def _open_devices(
    run: RunContext, checkpoint: Checkpoint, config: EmbeddingConfig, shards: int
) -> AbstractContextManager[Embed]:
    """Use at most one device per shard and share the cores among them. On a cluster, each worker has the
    resources that the config gives it."""
    run.progress.say(f"embeddings: loading the encoder {config.model}")
    from triptych.grouping.embedding.device_workers import open_devices

    gpus: float = 0
    if run.cluster is not None:
        devices, cores = ["cpu"], int(run.cluster.config.cpus_per_worker)
        if config.devices != ("cpu",) and run.cluster.has_gpus:
            devices, gpus = ["cuda"], run.cluster.config.gpus_per_worker
    else:
        devices, cores = usable_devices(config.devices)[: max(1, shards)], core_count()
    cpu_threads = max(1, cores // len(devices))
    decode_threads = max(1, config.decode_threads // len(devices)) if config.decode_threads else cpu_threads
    load = partial(load_encoder, checkpoint, precision=config.precision, cpu_threads=cpu_threads)
    return open_devices(
        run, devices, load, batch_size=config.batch_size, decode_threads=decode_threads, gpus=gpus
    )


class _StageReport:
    """Shows the progress of embedding, and notes it in the run for `triptych status`."""

    def __init__(self, run: RunFolder, task: Task, shard_count: int, todo: int) -> None:
        self._run, self._task = run, task
        self._shards, self._complete = shard_count, shard_count - todo
        self._files = 0
        self._all_files = _FileCounts()
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
        self._complete += 1
        self._all_files.add(self._run.images(shard))
        self._run.run_file.stages["embeddings"].notes = {
            "shards_whole": f"{self._complete:,} of {self._shards:,}",
            **self._all_files.notes,
            **self.notes,
        }
        self._run.save()

    @property
    def notes(self) -> dict[str, Setting]:
        """Images per second since this process began, the limiting part, and how busy each part is."""
        if self._throughput is None:
            return {}
        busy = ", ".join(f"{part} {share:.0%}" for part, share in self._throughput.shares.items())
        per_s = self._files / max(time.monotonic() - self._began, 1e-9)
        return {"images_per_s": round(per_s, 1), "bounded_by": self._throughput.bounded_by, "busy": busy}


def adopt_embeddings(run: RunContext, stored: Sequence[StoredShard]) -> bool:
    """Import embeddings from elsewhere instead of computing them. Returns whether there was work to do.

    Raises SetupError if the folder was made from other embeddings.
    """
    folder = run.folder
    settings: dict[str, Setting] = {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": STORED_EMBEDDINGS,
        "source": _describe(stored),
    }
    existing = _existing_embeddings(folder, settings)
    _switch(run, existing)
    if not folder.begin_stage("embeddings", settings, {}):
        return existing is not folder
    from triptych.grouping.embedding.stored_embeddings import adopt

    began = time.monotonic()
    refuse_damaged_shards(folder)
    for shard in stored:
        if not folder.is_embedded(shard.name):
            forget_shard(folder, shard.name)
            adopt(folder, shard)
            note_shard(folder, shard.name)
    found, unreadable = _finish_embeddings(run, began, {})
    run.progress.say(f"embeddings: {found:,} stored rows imported, {unreadable:,} of them zero or not finite")
    return True


def _describe(stored: Sequence[StoredShard]) -> str:
    """Number of shards, and a digest that changes with any byte of them."""
    digest = hashlib.sha256()
    for shard in sorted(stored, key=lambda each: each.name):
        digest.update(f"{shard.name}\n{shard.fingerprint()}\n".encode())
    count = len(stored)
    return f"{count} {'shard' if count == 1 else 'shards'}, files {digest.hexdigest()[:16]}"
