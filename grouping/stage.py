"""The two stages of grouping, as the command line composes them: embeddings, then sets.

Comes in: a run folder, sources, configs. Goes out: images/, embeddings/, duplicates.jsonl and
sets.jsonl, and whether there was anything to do. Both go on where a killed run stopped. Not its job:
the folder's lock and ``--fresh`` (see triptych).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence

import msgspec

from corpus.files import write_jsonl
from corpus.progress import Progress
from corpus.runfolder import RunFolder, Setting
from corpus.sources import Shard
from grouping.checkpoint import resolve_checkpoint
from grouping.config import EmbeddingConfig, SetsConfig

EMBEDDINGS_DATA_VERSION = 1
"""Of embed and encoder. Raise it when the same images would get other rows."""

SETS_DATA_VERSION = 1
"""Of duplicates and sets. Raise it when the same embeddings would give other sets."""


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
    threads = config.decode_threads or os.cpu_count() or 1
    with progress.task("embeddings", None, "images") as task:
        for shard in sources:
            if not is_whole(run, shard):
                embed_shard(run, shard, encoder, config.batch_size, threads, task)
    found = unreadable = 0
    for record in run.all_images():
        found += 1
        unreadable += record.unreadable is not None
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


def make_sets(run: RunFolder, config: SetsConfig, progress: Progress) -> bool:
    """Set duplicates aside and group what stays. Returns whether there was work.

    Raises SetupError where the folder's sets were made with other settings, or an embeddings file
    is damaged.
    """
    settings: dict[str, Setting] = {"data_version": SETS_DATA_VERSION, **msgspec.to_builtins(config)}
    inputs = {"images": run.digest("images"), "embeddings": run.digest("embeddings")}
    if not run.begin_stage("sets", settings, inputs):
        return False
    from grouping.duplicates import find_duplicates
    from grouping.sets import make_image_sets
    from grouping.vectors import load_vectors

    began = time.monotonic()
    vectors = load_vectors(run)
    duplicates, stays = find_duplicates(vectors, config.duplicate_cosine_similarity)
    write_jsonl(run.duplicates_file, duplicates)
    keys = [vectors.records[row].key for row in stays.tolist()]
    sets = make_image_sets(keys, vectors.units[stays], config)
    write_jsonl(run.sets_file, sets)
    grouped = sum(len(each.keys) for each in sets)
    progress.say(
        f"sets: {len(sets):,} of {grouped:,} images;"
        f" {len(duplicates):,} duplicates set aside, {len(keys) - grouped:,} images single"
    )
    notes: dict[str, Setting] = {
        "sets": len(sets),
        "images_in_sets": grouped,
        "duplicates": len(duplicates),
        "took_s": round(time.monotonic() - began, 1),
    }
    run.finish_stage("sets", notes)
    return True


def _describe_sources(sources: Sequence[Shard]) -> str:
    """How many shards, and a digest that changes when a file was added, removed or resized."""
    digest = hashlib.sha256()
    for shard in sorted(sources, key=lambda each: each.name):
        digest.update(f"{shard.name}\n{shard.fingerprint()}\n".encode())
    count = len(sources)
    return f"{count} {'shard' if count == 1 else 'shards'}, files {digest.hexdigest()[:16]}"
