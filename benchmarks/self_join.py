"""Speed of the self-join, compared with IndexIVFFlat.search on the same cells, and how it scales.

    python -m benchmarks.self_join FOLDER [--images N ...]

For each size a synthetic corpus is written to FOLDER, sorted into cells and joined, in a new process. The
peer searches the same cells, the same number per image, on the same number of threads, so that its recall is
equal and only the throughput differs. It searches samples of the images, since all of them would take hours;
the median of three samples counts.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from benchmarks.grouping_peers import peak_memory_mb
from benchmarks.record import record, refuse_dirty_tree
from tests.support.made_up_corpus import DIMENSIONS, make_corpus
from triptych.grouping.neighbours.faiss_search import FaissSearcher
from triptych.grouping.neighbours.inverted_lists import InvertedLists, StoredBlock, build_inverted_lists
from triptych.grouping.neighbours.probe_count import choose_probe_count, measure_recall
from triptych.grouping.neighbours.self_join import SelfJoin

T = TypeVar("T")

NEIGHBOURS = 16
WANTED_RECALL = 0.95
PEER_QUERIES = 2_000
ROUNDS = 3


def measure(folder: Path, images: int) -> dict[str, float]:
    """The figures of one size. Run in a new process, so that peak memory is that of this size."""
    corpus = folder / f"{images}.npy"
    scratch = folder / f"scratch-{images}"
    shutil.rmtree(scratch, ignore_errors=True)
    times: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        began = time.monotonic()
        result = work()
        times[f"{name}_s"] = round(time.monotonic() - began, 1)
        return result

    searcher = FaissSearcher()
    blocks = [StoredBlock(np.arange(images), partial(np.load, corpus, mmap_mode="r"))]
    lists = timed(
        "sort_into_cells", lambda: build_inverted_lists(blocks, images, DIMENSIONS, scratch, searcher)
    )
    probes = timed("choose_cells", lambda: choose_probe_count(lists, NEIGHBOURS, WANTED_RECALL))
    found = timed("join", lambda: SelfJoin(lists, probes, NEIGHBOURS).run(scratch / "join"))
    peak_mb = peak_memory_mb()
    recall = measure_recall(lists, found, NEIGHBOURS)
    peer = _peer_queries_per_s(lists, probes)
    ours = images / times["join_s"]
    shutil.rmtree(scratch)
    return {
        "images": images,
        "cells": lists.cells,
        "cells_searched": probes,
        "recall_at_16": round(recall, 4),
        **times,
        "images_per_s": round(ours, 1),
        "peer_queries_per_s": round(statistics.median(peer), 1),
        "times_the_peer": round(ours / statistics.median(peer), 2),
        "times_the_peer_with_preparation": round(images / sum(times.values()) / statistics.median(peer), 2),
        "peak_memory_mb": round(peak_mb),
        "embeddings_mb": round(images * DIMENSIONS * 2 / 1024**2),
    }


def _peer_queries_per_s(lists: InvertedLists, probes: int) -> list[float]:
    import faiss

    quantizer = faiss.IndexFlatIP(DIMENSIONS)
    quantizer.add(lists.centroids)
    index = faiss.IndexIVFFlat(quantizer, DIMENSIONS, lists.cells, faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    vectors = lists.vectors
    for start in range(0, len(vectors), 65_536):
        index.add(vectors.span(start, min(start + 65_536, len(vectors))))
    index.nprobe = probes
    faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
    rates = []
    for seed in range(ROUNDS):
        chosen = np.random.default_rng(seed).choice(len(vectors), PEER_QUERIES, replace=False)
        queries = vectors.take(np.sort(chosen))
        began = time.monotonic()
        index.search(queries, NEIGHBOURS + 1)
        rates.append(PEER_QUERIES / (time.monotonic() - began))
    return rates


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--images", multiple=True, type=int, default=(125_000, 250_000, 500_000, 1_000_000))
@click.option("--only", is_flag=True, hidden=True)
def main(folder: Path, images: tuple[int, ...], only: bool) -> None:
    """Measure each size, extrapolate to 11 million, and record the result."""
    refuse_dirty_tree()
    if only:
        print(json.dumps(measure(folder, images[0])))
        return
    folder.mkdir(parents=True, exist_ok=True)
    sizes = []
    for count in images:
        np.save(folder / f"{count}.npy", make_corpus(count).rows)
        command = [sys.executable, "-m", "benchmarks.self_join", str(folder)]
        command += ["--only", "--images", str(count)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        sizes.append(json.loads(answer.stdout))
        print(sizes[-1], flush=True)
        (folder / f"{count}.npy").unlink()
    record(
        "self_join",
        "python -m benchmarks.self_join FOLDER",
        {
            "load_average_15_min": round(os.getloadavg()[2], 1),
            "sizes": sizes,
            "at_11_million": _extrapolated(sizes),
        },
    )


def _extrapolated(sizes: list[dict[str, float]]) -> dict[str, float]:
    """Join time at 11 million images by a power-law fit, memory by a linear fit."""
    counts = np.log([size["images"] for size in sizes])
    exponent, scale = np.polyfit(counts, np.log([size["join_s"] for size in sizes]), 1)
    slope, fixed = np.polyfit([s["images"] for s in sizes], [s["peak_memory_mb"] for s in sizes], 1)
    return {
        "join_time_grows_with_images_to_the": round(float(exponent), 2),
        "join_hours": round(float(np.exp(scale + exponent * np.log(11e6))) / 3600, 1),
        "peak_memory_gb": round(float(fixed + slope * 11e6) / 1024, 1),
    }


if __name__ == "__main__":
    main()
