"""The two stages of grouping, as the command line composes them: embeddings, then sets.

Comes in: a run folder, sources, configs. Goes out: images/, embeddings/, duplicates.jsonl and
sets.jsonl, and whether there was anything to do. Both go on where a killed run stopped. Not its job:
the folder's lock and ``--fresh`` (see triptych).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from triptych.grouping.config import EmbeddingConfig, Precision, SetsConfig
from triptych.grouping.encoders.checkpoint import Checkpoint, resolve_checkpoint
from triptych.progress import Progress, Task
from triptych.runs.folder import RunFolder, Setting
from triptych.runs.jsonl import write_jsonl
from triptych.runs.missing_sources import note_sources
from triptych.sources import Shard
from triptych.sources.archive_damage import ArchiveDamage
from triptych.sources.count_estimate import estimate_count

if TYPE_CHECKING:
    from triptych.grouping.embedding.pipeline import Encoder
    from triptych.grouping.embedding.stored_embeddings import StoredShard
    from triptych.grouping.embedding.throughput import Pace

EMBEDDINGS_DATA_VERSION = 3
"""Of prepare, embed and encoder. Raise it when the same images would get other rows."""

SETS_DATA_VERSION = 4
"""Of group and all that it calls. Raise it when the same embeddings would give other sets."""


def embed_sources(
    run: RunFolder, sources: Sequence[Shard], config: EmbeddingConfig, progress: Progress
) -> bool:
    """Embed every shard of ``sources`` that isn't whole yet. Returns whether there was work.

    Batch size, threads and devices are no part of the fingerprint: they change how fast rows come,
    not what they mean. Raises SetupError where the model can't be loaded, or the folder was made from
    other sources or another model.
    """
    checkpoint = resolve_checkpoint(config.model, config.pretrained)
    settings: dict[str, Setting] = {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": checkpoint.identity,
        "precision": config.precision,
        "source": _describe_sources(sources),
    }
    if run.is_finished("embeddings"):
        return run.begin_stage("embeddings", settings, {})  # False, or says which setting changed
    run.refuse_other_settings("embeddings", settings)  # before a model is loaded

    began = time.monotonic()
    todo = [shard for shard in sources if not run.is_embedded(shard.name)]
    with _embedding_processes(run, checkpoint, config, len(todo), progress) as embed:
        run.begin_stage("embeddings", settings, {})  # now: a model that fails must leave no trace
        note_sources(run, sources)
        with progress.task("embeddings", _say_how_many(todo, progress), "images") as task:
            report = _Report(run, task, len(sources), len(todo))
            embed(todo, report)
    found = unreadable = 0
    damage = ArchiveDamage()
    for record in run.all_images():
        found += 1
        unreadable += record.unreadable is not None
        damage.look_at(record)
    for line in damage.lines():
        progress.say(f"note: {line}")
    progress.say(
        f"embeddings: {found:,} files found, {found - unreadable:,} images, {unreadable:,} unreadable"
    )
    notes: dict[str, Setting] = {
        "found": found,
        "unreadable": unreadable,
        **report.notes,
        "took_s": round(time.monotonic() - began, 1),
    }
    run.finish_stage("embeddings", notes)
    return True


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


Embed = Callable[[Sequence[Shard], "_Report"], object]


@contextlib.contextmanager
def _embedding_processes(
    run: RunFolder, checkpoint: Checkpoint, config: EmbeddingConfig, shards: int, progress: Progress
) -> Iterator[Embed]:
    """What embeds shards, with its models loaded: this process on one CPU, else a process a device.

    A GPU's model is in a process of its own even if it is the only one, so that its memory is free when
    captioning begins. More processes than shards would have nothing to do.
    """
    from triptych.grouping.embedding.devices import usable_devices
    from triptych.grouping.embedding.pipeline import Pipeline

    devices = usable_devices(config.devices)[: max(1, shards)]
    cores = len(os.sched_getaffinity(0))
    decode_threads = max(1, (config.decode_threads or cores) // len(devices))
    load = OpenClipOn(checkpoint, config.precision, cpu_threads=max(1, cores // len(devices)))
    if devices == ["cpu"]:
        encoder = load("cpu")
        yield lambda todo, report: Pipeline(run, encoder, config.batch_size, decode_threads).run(todo, report)
        return
    from triptych.grouping.embedding.device_process import PipelineSettings
    from triptych.grouping.embedding.device_workers import Dispatch

    settings = PipelineSettings(config.batch_size, decode_threads)
    with Dispatch(run.path, devices, load, settings, progress.say) as dispatch:
        yield dispatch.run


class OpenClipOn(msgspec.Struct, frozen=True):
    """Loads a checkpoint on a device. Small, so that it can be sent to a process before it has torch."""

    checkpoint: Checkpoint
    precision: Precision
    cpu_threads: int

    def __call__(self, device: str) -> Encoder:
        from triptych.grouping.encoders.open_clip import load_encoder

        return load_encoder(self.checkpoint, device, self.precision, self.cpu_threads)


class _Report:
    """Shows how far embedding is, and notes it in the run, for `triptych status` while it goes on."""

    def __init__(self, run: RunFolder, task: Task, shards: int, todo: int) -> None:
        self._run, self._task = run, task
        self._shards, self._whole = shards, shards - todo
        self._files = 0
        self._began = time.monotonic()
        self._pace: Pace | None = None

    def advance(self, shard: str, files: int, pace: Pace) -> None:
        self._files += files
        self._pace = pace
        self._task.advance(files)
        self._task.note(f"bounded by {pace.bounded_by}")

    def wrote(self, shard: str) -> None:
        self._whole += 1
        self._run.run_file.stages["embeddings"].notes = {
            "shards_whole": f"{self._whole:,} of {self._shards:,}",
            **self.notes,
        }
        self._run.save()

    @property
    def notes(self) -> dict[str, Setting]:
        """Images per second since this process began, which part bounds them, and how busy each part is."""
        if self._pace is None:
            return {}
        busy = ", ".join(f"{part} {share:.0%}" for part, share in self._pace.shares.items())
        per_s = self._files / max(time.monotonic() - self._began, 1e-9)
        return {"images_per_s": round(per_s, 1), "bounded_by": self._pace.bounded_by, "busy": busy}


def adopt_embeddings(run: RunFolder, stored: Sequence[StoredShard], progress: Progress) -> bool:
    """Take over embeddings from elsewhere in place of embed_sources. Returns whether there was work.

    Raises SetupError where the folder was made from other embeddings.
    """
    settings: dict[str, Setting] = {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": "stored embeddings",
        "source": _describe_sources(stored),
    }
    if not run.begin_stage("embeddings", settings, {}):
        return False
    from triptych.grouping.embedding.stored_embeddings import adopt

    began = time.monotonic()
    for shard in stored:
        if not run.is_embedded(shard.name):
            adopt(run, shard)
    found = unreadable = 0
    for record in run.all_images():
        found += 1
        unreadable += record.unreadable is not None
    progress.say(f"embeddings: {found:,} stored rows taken over, {unreadable:,} of them without a direction")
    notes: dict[str, Setting] = {
        "found": found,
        "unreadable": unreadable,
        "took_s": round(time.monotonic() - began, 1),
    }
    run.finish_stage("embeddings", notes)
    return True


def make_sets(run: RunFolder, config: SetsConfig, progress: Progress) -> bool:
    """Set duplicates aside and group what stays. Returns whether there was work.

    Raises SetupError where the folder's sets were made with other settings, or an embeddings file
    is damaged.
    """
    settings: dict[str, Setting] = {"data_version": SETS_DATA_VERSION, **msgspec.to_builtins(config)}
    del settings["threads"], settings["device"]  # they change how fast sets come, not which
    inputs = {"images": run.digest("images"), "embeddings": run.digest("embeddings")}
    if not run.begin_stage("sets", settings, inputs):
        shutil.rmtree(run.scratch_folder, ignore_errors=True)  # of a run that was killed in its last instant
        return False
    from triptych.grouping.group import group_images
    from triptych.grouping.sets.image_table import load_table

    began = time.monotonic()
    table = load_table(run)
    duplicates, sets, notes = group_images(table, config, run.scratch_folder, progress)
    write_jsonl(run.duplicates_file, duplicates)
    write_jsonl(run.sets_file, sets)
    grouped = sum(len(each.keys) for each in sets)
    progress.say(
        f"sets: {len(sets):,} of {grouped:,} images; {len(duplicates):,} duplicates set aside,"
        f" {len(table.keys) - len(duplicates) - grouped:,} images single"
    )
    if notes:
        progress.say(
            f"sets: related from {notes['related_cosine_similarity']}, duplicates from"
            f" {notes['duplicate_cosine_similarity']} ({notes['band_why']})"
        )
    figures: dict[str, Setting] = {
        "sets": len(sets),
        "images_in_sets": grouped,
        "duplicates": len(duplicates),
        **notes,
        "took_s": round(time.monotonic() - began, 1),
    }
    run.finish_stage("sets", figures)
    shutil.rmtree(run.scratch_folder, ignore_errors=True)
    return True


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    def fingerprint(self) -> str: ...


def _describe_sources(sources: Sequence[_Named]) -> str:
    """How many shards, and a digest that changes when a file was added, removed or resized."""
    digest = hashlib.sha256()
    for shard in sorted(sources, key=lambda each: each.name):
        digest.update(f"{shard.name}\n{shard.fingerprint()}\n".encode())
    count = len(sources)
    return f"{count} {'shard' if count == 1 else 'shards'}, files {digest.hexdigest()[:16]}"
