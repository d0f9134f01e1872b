"""The two stages of grouping, as the command line composes them: embeddings, then sets.

Comes in: a run folder, sources, configs. Goes out: images/, embeddings/, duplicates.jsonl and
sets.jsonl, and whether there was anything to do. Both go on where a killed run stopped. Not its job:
the folder's lock and ``--fresh`` (see triptych).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from corpus.damage import ArchiveDamage
from corpus.files import write_jsonl
from corpus.forecast import forecast_files
from corpus.inventory import note_sources
from corpus.progress import Progress
from corpus.runfolder import RunFolder, Setting
from corpus.sources import Shard
from grouping.checkpoint import resolve_checkpoint
from grouping.config import EmbeddingConfig, SetsConfig

if TYPE_CHECKING:
    from grouping.stored import StoredShard

EMBEDDINGS_DATA_VERSION = 3
"""Of embed and encoder. Raise it when the same images would get other rows."""

SETS_DATA_VERSION = 3
"""Of group and all that it calls. Raise it when the same embeddings would give other sets."""


def embed_sources(
    run: RunFolder, sources: Sequence[Shard], config: EmbeddingConfig, progress: Progress
) -> bool:
    """Embed every shard of ``sources`` that isn't whole yet. Returns whether there was work.

    Batch size, threads and device are no part of the fingerprint: they change how fast rows come,
    not what they mean. Raises SetupError where the model can't be loaded, or the folder was made from
    other sources or another model.
    """
    checkpoint = resolve_checkpoint(config.model, config.pretrained)
    settings: dict[str, Setting] = {
        "data_version": EMBEDDINGS_DATA_VERSION,
        "encoder": checkpoint.identity,
        "source": _describe_sources(sources),
    }
    if run.is_finished("embeddings"):
        return run.begin_stage("embeddings", settings, {})  # False, or says which setting changed
    from grouping.embed import embed_shard, is_whole
    from grouping.encoder import load_encoder

    began = time.monotonic()
    encoder = load_encoder(checkpoint, config.device)  # first: a model that fails must leave no trace
    run.begin_stage("embeddings", settings, {})
    note_sources(run, sources)
    threads = config.decode_threads or os.cpu_count() or 1
    todo = [shard for shard in sources if not is_whole(run, shard)]
    with progress.task("embeddings", _say_how_many(todo, progress), "images") as task:
        for shard in todo:
            embed_shard(run, shard, encoder, config.batch_size, threads, task)
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
        "took_s": round(time.monotonic() - began, 1),
    }
    run.finish_stage("embeddings", notes)
    return True


def _say_how_many(shards: Sequence[Shard], progress: Progress) -> int | None:
    """The files that ``shards`` will come to, as far as that can be told beforehand."""
    forecast = forecast_files(shards)
    if forecast is None:
        return None
    if forecast.is_estimate:
        progress.say(
            f"embeddings: about {forecast.files:,} files in {len(shards):,} shards, by a few tars' headers"
        )
    return forecast.files


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
    from grouping.stored import adopt

    began = time.monotonic()
    for shard in stored:
        if not run.images_file(shard.name).exists():
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
    from grouping.group import group_images
    from grouping.table import load_table

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
