"""Time and memory of a search through the embeddings of a run, and whether it finds the same as numpy.

    python -m benchmarks.search_speed [--images 1000000] [--dimensions 512]

Searches random unit vectors in shards of 4,096, some of them equal, with records and sets of three images.
The query vectors are given: loading a model is not measured. The files are in the page cache. Memory is the
increase of the process's peak, including mapped pages of the embeddings.
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
"""One row in so many equals that of the shard's first image, for ties."""
MAX_S = 2.0

Found = TypeVar("Found")


def make_run(path: Path, images: int, dimensions: int) -> RunFolder:
    """A run after grouping, with the files that a search reads."""
    run = RunFolder.create_or_open(path)
    for first in range(0, images, SHARD_IMAGES):
        count, name = min(SHARD_IMAGES, images - first), f"shard-{first // SHARD_IMAGES:05d}"
        random = np.random.default_rng(first)
        rows = random.standard_normal((count, dimensions), np.float32) + 0.5
        rows[::EQUAL_EVERY] = np.random.default_rng(0).standard_normal(dimensions, np.float32) + 0.5
        write_array(run.embeddings_file(name), as_units(rows.astype(np.float16)).astype(np.float16))
        write_jsonl(run.images_file(name), (image_record(first + row) for row in range(count)))
    write_jsonl(run.sets_file, (image_set(first) for first in range(0, images - 4, 6)))
    return run


def image_record(number: int) -> ImageRecord:
    return ImageRecord(
        key=f"{number:09d}.jpg",
        width_px=1500,
        height_px=2250,
        size_bytes=900_000,
        content_hash=f"{number:032x}",
    )


def image_set(first: int) -> ImageSet:
    """A set of three; in all, every other image is in a set."""
    keys = tuple(f"{number:09d}.jpg" for number in (first, first + 2, first + 4))
    return ImageSet(id=f"set-{keys[0]}", keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.85)


def by_numpy(run: RunFolder, vector: NDArray[np.float32]) -> list[tuple[str, float]]:
    """The COUNT highest cosines by a plain sort, ties in the order of rows."""
    cosines = np.concatenate(
        [np.einsum("ij,j->i", as_units(np.load(run.embeddings_file(name))), vector) for name in run.shards()]
    )
    nearest = np.argsort(-np.clip(cosines, -1, 1), kind="stable")[:COUNT]
    return [(f"{row:09d}.jpg", round(float(min(cosines[row], 1.0)), 6)) for row in nearest]


def timed(find: Callable[[int], Found]) -> tuple[float, float, Found]:
    """Wall seconds, CPU seconds, and the result."""
    began, cpu_began = time.perf_counter(), time.process_time()
    result = find(COUNT)
    return time.perf_counter() - began, time.process_time() - cpu_began, result


@click.command()
@click.option("--images", default=1_000_000, show_default=True)
@click.option("--dimensions", default=512, show_default=True)
def main(images: int, dimensions: int) -> None:
    """Measure and record; exit 1 if a search is slower than MAX_S or not exact."""
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
        "most_s": MAX_S,
    }
    record(
        "search_speed",
        f"python -m benchmarks.search_speed --images {images} --dimensions {dimensions}",
        measured,
    )
    sys.exit(0 if is_exact and measured["images_s"] <= MAX_S else 1)


if __name__ == "__main__":
    main()
