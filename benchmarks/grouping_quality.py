"""Quality, time and memory of grouping stored embeddings, compared with other methods on planted groups.

    python -m benchmarks.grouping_quality FOLDER [--peer-python PYTHON] [--fastdup-python PYTHON]

Comes in: synthetic corpora of several sizes. Goes out: one table. Each method runs in its own process.

- Copies of an image count as that image for every method, so that a method gains nothing by grouping an image
  with its copy; such pairs are counted separately. Groups of one image are not sets.
- Coverage is the share of images in sets.
- Precision is B-cubed [Bagga and Baldwin 1998]: the share of an image's set mates that were planted as
  related to it, averaged over the images in sets, so that a group of thirty does not count a hundred times as
  much as a group of three.
- Methods cover different shares of the corpus, so precision is also given at equal coverage: each method's
  sets are sorted by their least similar pair, and the best ones are taken until they cover 50%, 80% or 100%
  of the coverage of the method that covers least.
- A few pairs decide in a small corpus, so there are several of each small size, with their median and mean.
- The other methods use the threshold that Triptych derived for the same corpus.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.baseline_sets import groups_of
from benchmarks.grouping_peers import peak_memory_mb
from benchmarks.record import record, refuse_dirty_tree
from tests.support.made_up_corpus import MadeUpCorpus, make_corpus

PEERS = {
    "faiss_kmeans": (20_000, 50_000),
    "connected_components": (20_000, 50_000),
    "fastdup_components": (20_000, 20_000),
    "agglomerative": (2_000, 20_000),
    "constrained_kmeans": (2_000, 2_000),
}
"""The smallest and largest corpus for each peer; with more images it takes hours or too much memory."""

SIZES = {2_000: 12, 5_000: 12, 20_000: 3, 50_000: 1}
"""Number of images, and how many corpora of that size."""

SHARES_OF_LEAST_COVERAGE = (0.5, 0.8, 1.0)

MAX_PAIRS_JUDGED = 5_000
"""Per group; those of connected components have millions."""

Sets = list[NDArray[np.int64]]


def group_ourselves(corpus: MadeUpCorpus, folder: Path, images: int) -> tuple[Sets, dict[str, Any]]:
    """Triptych's sets, made by the command on stored embeddings, and its figures."""
    np.save(folder / "rows.npy", corpus.rows)
    run = folder / f"run-{images}"
    shutil.rmtree(run, ignore_errors=True)
    code = (
        "import sys, time; from benchmarks.grouping_peers import peak_memory_mb;"
        "from triptych.cli import cli;"
        "began = time.monotonic();"
        "cli(['group', '--embeddings', sys.argv[1], '--out', sys.argv[2]], standalone_mode=False);"
        "print(time.monotonic() - began, peak_memory_mb())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(folder / "rows.npy"), str(run)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    took_s, peak_mb = map(float, answer.stdout.split()[-2:])
    notes = json.loads((run / "run.json").read_text())["stages"]["sets"]["notes"]
    kept = (
        "related_cosine_similarity",
        "duplicate_cosine_similarity",
        "recall_at_32",
        "duplicates",
        "cells_searched",
    )
    lines = (run / "sets.jsonl").read_bytes().splitlines()
    sets = [np.array(row_numbers(json.loads(line)["keys"])) for line in lines]
    return sets, {
        "time_s": round(took_s, 1),
        "peak_memory_mb": round(peak_mb),
        **{name: notes[name] for name in kept},
        "pairs_outside_the_band": _pairs_outside(run, sets, notes),
    }


def row_numbers(keys: list[str]) -> list[int]:
    """Row numbers, with which keys of stored embeddings end."""
    return [int(key.rpartition("/")[2]) for key in keys]


def _pairs_outside(run: Path, sets: Sets, notes: dict[str, Any]) -> int:
    """How many pairs are outside the thresholds by more than 1e-6, in double precision."""
    [stored_file] = (run / "embeddings").glob("*.npy")
    stored = np.load(stored_file, mmap_mode="r")
    related, duplicate = notes["related_cosine_similarity"], notes["duplicate_cosine_similarity"]
    outside = 0
    for members in sets:
        rows = stored[members].astype(np.float64)
        rows /= np.sqrt((rows * rows).sum(axis=1))[:, None]
        cosines = (rows @ rows.T)[np.triu_indices(len(members), k=1)]
        outside += int(((cosines < related - 1e-6) | (cosines >= duplicate + 1e-6)).sum())
    return outside


def group_by_peer(python: str, method: str, folder: Path, bound: float) -> tuple[Sets, dict[str, Any]] | str:
    """A peer's sets and figures, or why it failed."""
    script = Path(__file__).with_name("grouping_peers.py")
    labels_file = folder / "labels.npy"
    answer = subprocess.run(
        [python, str(script), method, str(folder / "rows.npy"), str(labels_file), str(bound)],
        capture_output=True, text=True,
    )  # fmt: skip
    if answer.returncode:
        return " ".join(answer.stderr.split())[-200:]
    return groups_of(np.load(labels_file)), json.loads(answer.stdout.splitlines()[-1])


class Judged:
    """Sets compared with the truth; copies of an image count as that image."""

    def __init__(self, corpus: MadeUpCorpus, sets: Sets) -> None:
        origin = np.where(corpus.copy_of >= 0, corpus.copy_of, np.arange(len(corpus.copy_of)))
        self._images = len(np.unique(origin))
        self.largest = max(len(members) for members in sets)
        rng = np.random.default_rng(7)
        distinct = [np.unique(origin[members]) for members in sets]
        self.copies = sum(_pairs_of_copies(origin[members]) for members in sets)
        judged = [_judge(corpus, members, rng) for members in distinct if len(members) > 1]
        self.sizes = np.array([each[0] for each in judged], float)
        self.worst = np.array([each[1] for each in judged])
        self.right = np.array([each[2] for each in judged])

    def coverage(self) -> float:
        return float(self.sizes.sum()) / self._images

    def precision_at(self, coverage: float) -> float:
        """B-cubed precision of the best sets, by their least similar pair, that cover ``coverage``."""
        best = np.argsort(-self.worst, kind="stable")
        enough = int(np.searchsorted(np.cumsum(self.sizes[best]), coverage * self._images)) + 1
        chosen = best[:enough]
        return float((self.right[chosen] * self.sizes[chosen]).sum() / self.sizes[chosen].sum())

    def summary(self) -> dict[str, Any]:
        return {
            "sets": len(self.sizes),
            "coverage": round(self.coverage(), 4),
            "precision": round(self.precision_at(1.0), 4),
            "worst_pair": round(float(self.worst.min()), 4),
            "largest_set": self.largest,
            "pairs_of_copies": self.copies,
        }


def _pairs_of_copies(origins: NDArray[np.int64]) -> int:
    _, times = np.unique(origins, return_counts=True)
    return int((times * (times - 1) // 2).sum())


def _judge(
    corpus: MadeUpCorpus, members: NDArray[np.int64], rng: np.random.Generator
) -> tuple[int, float, float]:
    """Size, lowest cosine, and the share of its pairs that were planted as related."""
    left, right = (members[some] for some in np.triu_indices(min(len(members), 100), k=1))
    if len(members) > 100:
        drawn = rng.choice(members, (2, MAX_PAIRS_JUDGED))
        left, right = drawn[:, drawn[0] != drawn[1]]
    one, other = corpus.rows[left].astype(np.float32), corpus.rows[right].astype(np.float32)
    cosines = np.einsum("ij,ij->i", one, other)
    return len(members), float(cosines.min()), float(corpus.are_related(left, right).mean())


def compare(size: int, seed: int, folder: Path, pythons: dict[str, str]) -> dict[str, Any]:
    """The table of one corpus: Triptych, and every peer that can handle its size."""
    corpus = make_corpus(size, seed=seed)
    sets, figures = group_ourselves(corpus, folder, size)
    judged = {"triptych": Judged(corpus, sets)}
    table: dict[str, Any] = {"triptych": {**figures, **judged["triptych"].summary()}}
    for method, (fewest, most) in PEERS.items():
        if not fewest <= size <= most:
            continue
        python = pythons["fastdup" if method.startswith("fastdup") else "peers"]
        answer = group_by_peer(python, method, folder, float(figures["related_cosine_similarity"]))
        if isinstance(answer, str):
            table[method] = {"failed": answer}
            continue
        judged[method] = Judged(corpus, answer[0])
        table[method] = {**answer[1], **judged[method].summary()}
    least = min(each.coverage() for each in judged.values())
    for method, each in judged.items():
        table[method]["precision_at_equal_coverage"] = {
            f"{share * least:.2f}": round(each.precision_at(share * least), 5)
            for share in SHARES_OF_LEAST_COVERAGE
        }
    return table


def median_of(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of all values; precisions at equal coverage, with different keys, are matched by position."""
    merged: dict[str, Any] = {}
    for method in tables[0]:
        rows = [table[method] for table in tables if "failed" not in table[method]]
        if not rows:
            merged[method] = tables[0][method]
            continue
        merged[method] = {
            name: statistics.median(row[name] for row in rows)
            for name in rows[0]
            if name != "precision_at_equal_coverage"
        }
        columns = list(zip(*(row["precision_at_equal_coverage"].values() for row in rows), strict=True))
        merged[method]["precision_at_equal_coverage"] = {
            f"{share:.0%} of the least": {
                "median": round(statistics.median(column), 5),
                "mean": round(statistics.mean(column), 5),
            }
            for share, column in zip(SHARES_OF_LEAST_COVERAGE, columns, strict=True)
        }
    return merged


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--images", type=int, default=1_000_000, help="Size of the largest corpus, for Triptych alone.")
@click.option("--peer-python", default=sys.executable, help="Has scikit-learn and k-means-constrained.")
@click.option("--fastdup-python", default=sys.executable, help="Has fastdup.")
def main(folder: Path, images: int, peer_python: str, fastdup_python: str) -> None:
    """Make the table and record it."""
    refuse_dirty_tree()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tables = {}
    for size, corpora in {**SIZES, images: 1}.items():
        pythons = {"peers": peer_python, "fastdup": fastdup_python}
        each = [compare(size, seed, folder, pythons) for seed in range(1, corpora + 1)]
        tables[f"{size:,} images"] = {"corpora": corpora, **median_of(each)}
        print(json.dumps({size: tables[f"{size:,} images"]}), flush=True)
    record(
        "grouping_quality",
        "python -m benchmarks.grouping_quality FOLDER",
        {
            "load_average_15_min": round(os.getloadavg()[2], 1),
            "took_s": round(time.monotonic() - began),
            "peak_memory_of_the_judge_mb": round(peak_memory_mb()),
            "tables": tables,
        },
    )


if __name__ == "__main__":
    main()
