"""What a search through the embeddings of a run takes: time, memory, and whether it finds what numpy finds.

    python -m benchmarks.search_speed [--images 1000000] [--dimensions 512]

Made-up unit vectors in shards of 4,096, some of them equal, with records and sets of three. The vector that
is searched for is there already: loading a model is not measured. The files lie in the system's cache. Memory
is what the process has beyond what it had before, mapped pages of the embeddings included.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import record, refuse_dirty_tree
from triptych.grouping.neighbours.unit_vectors import as_units
from triptych.grouping.search import Search
from triptych.records import ImageRecord, ImageSet
from triptych.runs.arrays import write_array
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl

SHARD_IMAGES = 4_096
SEARCHES = 5
COUNT = 10
EQUAL_EVERY = 1_000
"""So often a row is that of the shard's first image: ties."""
MOST_S = 2.0

Found = TypeVar("Found")


def make_run(path: Path, images: int, dimensions: int) -> RunFolder:
    """A run as embedding and grouping leave it, as far as a search reads it."""
    run = RunFolder.create_or_open(path)
    for first in range(0, images, SHARD_IMAGES):
        count, name = min(SHARD_IMAGES, images - first), f"shard-{first // SHARD_IMAGES:05d}"
        random = np.random.default_rng(first)
        rows = random.standard_normal((count, dimensions), np.float32) + 0.5
        rows[::EQUAL_EVERY] = np.random.default_rng(0).standard_normal(dimensions, np.float32) + 0.5
        write_array(run.embeddings_file(name), as_units(rows.astype(np.float16)).astype(np.float16))
        write_jsonl(run.images_file(name), (made_up(first + row) for row in range(count)))
    write_jsonl(run.sets_file, (image_set(first) for first in range(0, images - 4, 6)))
    return run


def made_up(number: int) -> ImageRecord:
    return ImageRecord(
        key=f"{number:09d}.jpg",
        width_px=1500,
        height_px=2250,
        size_bytes=900_000,
        content_hash=f"{number:032x}",
    )


def image_set(first: int) -> ImageSet:
    """Every other image is in one."""
    keys = tuple(f"{number:09d}.jpg" for number in (first, first + 2, first + 4))
    return ImageSet(id=f"set-{keys[0]}", keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.85)


def by_numpy(run: RunFolder, vector: NDArray[np.float32]) -> list[tuple[str, float]]:
    """The first COUNT of a plain sort of all cosines; ties by row."""
    cosines = np.concatenate(
        [np.einsum("ij,j->i", as_units(np.load(run.embeddings_file(name))), vector) for name in run.shards()]
    )
    nearest = np.argsort(-np.clip(cosines, -1, 1), kind="stable")[:COUNT]
    return [(f"{row:09d}.jpg", round(float(min(cosines[row], 1.0)), 6)) for row in nearest]


def timed(find: Callable[[int], Found]) -> tuple[float, float, Found]:
    """Seconds, seconds of processors, and what was found."""
    began, processor_began = time.perf_counter(), time.process_time()
    result = find(COUNT)
    return time.perf_counter() - began, time.process_time() - processor_began, result


@click.command()
@click.option("--images", default=1_000_000, show_default=True)
@click.option("--dimensions", default=512, show_default=True)
def main(images: int, dimensions: int) -> None:
    """Measure and record; exit 1 where a search is slower than wanted or finds something else."""
    refuse_dirty_tree()
    random = np.random.default_rng(7)
    measured: dict[str, Any] = {
        "images": images,
        "dimensions": dimensions,
        "threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as scratch:
        run = make_run(Path(scratch, "run"), images, dimensions)
        drawn = random.standard_normal((SEARCHES - 1, dimensions), np.float32) + 0.5
        tied = np.load(run.embeddings_file("shard-00000"))[:1]
        vectors = [*as_units(drawn.astype(np.float16)), as_units(tied)[0]]
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = [timed(Search(run, vector).images) for vector in vectors]
        after_images_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found_sets = [timed(Search(run, vector).sets) for vector in vectors]
        after_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        is_exact = all(
            [(each.key, each.cosine_similarity) for each in images] == by_numpy(run, vector)
            for (*_, images), vector in zip(found, vectors, strict=True)
        )
    measured |= {
        "images_s": round(statistics.median(took for took, *_ in found), 3),
        "sets_s": round(statistics.median(took for took, *_ in found_sets), 3),
        "images_processor_s": round(statistics.median(spent for _, spent, _ in found), 3),
        "sets_processor_s": round(statistics.median(spent for _, spent, _ in found_sets), 3),
        "each_images_s": [round(took, 3) for took, *_ in found],
        "each_sets_s": [round(took, 3) for took, *_ in found_sets],
        "memory_mib_images": (after_images_kib - before_kib) // 1024,
        "memory_mib_sets": (after_kib - before_kib) // 1024,
        "searches_equal_to_numpy": is_exact,
        "most_s": MOST_S,
    }
    record(
        "search_speed",
        f"python -m benchmarks.search_speed --images {images} --dimensions {dimensions}",
        measured,
    )
    sys.exit(0 if is_exact and measured["images_s"] <= MOST_S else 1)


if __name__ == "__main__":
    main()
