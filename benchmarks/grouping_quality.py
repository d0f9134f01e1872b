"""All of grouping from stored embeddings, beside other ways to group, against a planted truth.

    python -m benchmarks.grouping_quality FOLDER [--peer-python PYTHON] [--fastdup-python PYTHON]

Comes in: made-up corpora of several sizes. Goes out: one table. Each method runs in a process of its
own. Precision: the share of the pairs inside sets that were planted as related or as copies. Groups of
one are no sets. Methods cover different shares of the corpus, so precision is also given at equal
coverage: each method's sets are taken from the one with the best worst pair on, until they cover
as much as the method that covers least. The bound that other methods take is the one that Triptych
derived for the same corpus.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.grouping_peers import peak_memory_mb
from benchmarks.made_up_corpus import MadeUpCorpus, make_corpus
from benchmarks.record import record

PEERS = {
    "faiss_kmeans": 50_000,
    "connected_components": 50_000,
    "fastdup_components": 20_000,
    "agglomerative": 5_000,
    "constrained_kmeans": 2_000,
}
"""The most images that each peer is given; beyond, it needs hours or more memory than there is."""

SIZES = (2_000, 5_000, 20_000, 50_000)

Sets = list[NDArray[np.int64]]


def group_ourselves(corpus: MadeUpCorpus, folder: Path, images: int) -> tuple[Sets, dict[str, object]]:
    """Sets of Triptych, run as a user would on stored embeddings."""
    np.save(folder / "rows.npy", corpus.rows)
    run = folder / f"run-{images}"
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
    sets = [
        np.array([int(key.rpartition("/")[2]) for key in json.loads(line)["keys"]])
        for line in (run / "sets.jsonl").read_bytes().splitlines()
    ]
    kept = (
        "related_cosine_similarity",
        "duplicate_cosine_similarity",
        "recall_at_32",
        "duplicates",
        "cells_searched",
    )
    return sets, {
        "time_s": round(took_s, 1),
        "peak_memory_mb": round(peak_mb),
        **{name: notes[name] for name in kept},
    }


def group_by_peer(
    python: str, method: str, folder: Path, bound: float
) -> tuple[Sets, dict[str, object]] | str:
    """Sets of a peer, or why there are none."""
    script = Path(__file__).with_name("grouping_peers.py")
    labels_file = folder / "labels.npy"
    answer = subprocess.run(
        [python, str(script), method, str(folder / "rows.npy"), str(labels_file), str(bound)],
        capture_output=True, text=True,
    )  # fmt: skip
    if answer.returncode:
        return " ".join(answer.stderr.split())[-200:]
    labels = np.load(labels_file)
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    sets = [group for group in groups if len(group) > 1 and labels[group[0]] >= 0]
    return sets, json.loads(answer.stdout.splitlines()[-1])


class Judged:
    """Sets against the truth. Of a group of thousands a sample of its pairs is looked at."""

    def __init__(self, corpus: MadeUpCorpus, sets: Sets) -> None:
        rng = np.random.default_rng(7)
        judged = [_judge(corpus, members, rng) for members in sets]
        self.sizes = np.array([len(members) for members in sets], float)
        self.worst = np.array([each[0] for each in judged])
        self.right = np.array([each[1] for each in judged])
        self.copies = np.array([each[2] for each in judged])
        self.pairs = self.sizes * (self.sizes - 1) / 2
        self._images = len(corpus.kind)

    def coverage(self) -> float:
        return float(self.sizes.sum()) / self._images

    def precision_at(self, coverage: float) -> float:
        """Of the sets with the best worst pairs, as many as cover ``coverage``."""
        best = np.argsort(-self.worst, kind="stable")
        enough = int(np.searchsorted(np.cumsum(self.sizes[best]), coverage * self._images)) + 1
        chosen = best[:enough]
        return float((self.right[chosen] * self.pairs[chosen]).sum() / self.pairs[chosen].sum())

    def summary(self) -> dict[str, object]:
        return {
            "sets": len(self.sizes),
            "coverage": round(self.coverage(), 4),
            "precision": round(self.precision_at(1.0), 4),
            "worst_pair": round(float(self.worst.min()), 4),
            "largest_set": int(self.sizes.max()),
            "pairs_of_near_duplicates": round(float((self.copies * self.pairs).sum())),
        }


def _judge(
    corpus: MadeUpCorpus, members: NDArray[np.int64], rng: np.random.Generator
) -> tuple[float, float, float]:
    """Worst cosine, share of right pairs, share of pairs that are copies of one image."""
    if len(members) > 100:
        left, right = rng.choice(members, (2, 5_000))
        left, right = left[left != right], right[left != right]
    else:
        first, second = np.triu_indices(len(members), k=1)
        left, right = members[first], members[second]
    one, other = corpus.rows[left].astype(np.float32), corpus.rows[right].astype(np.float32)
    cosines = np.einsum("ij,ij->i", one, other)
    copies = corpus.are_copies(left, right)
    right_pairs = corpus.are_related(left, right) | copies
    return float(cosines.min()), float(right_pairs.mean()), float(copies.mean())


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--images", type=int, default=1_000_000, help="Of the largest corpus, for Triptych alone.")
@click.option("--peer-python", default=sys.executable, help="Has scikit-learn and k-means-constrained.")
@click.option("--fastdup-python", default=sys.executable, help="Has fastdup.")
def main(folder: Path, images: int, peer_python: str, fastdup_python: str) -> None:
    """Make the table and commit it."""
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tables = {}
    for size in (*SIZES, images):
        corpus = make_corpus(size, seed=1)
        sets, figures = group_ourselves(corpus, folder, size)
        judged = {"triptych": Judged(corpus, sets)}
        table: dict[str, object] = {"triptych": {**figures, **judged["triptych"].summary()}}
        for method, most in PEERS.items():
            if size > most or (size < 20_000 and most >= 20_000):
                continue
            python = fastdup_python if method.startswith("fastdup") else peer_python
            answer = group_by_peer(python, method, folder, float(str(figures["related_cosine_similarity"])))
            if isinstance(answer, str):
                table[method] = {"failed": answer}
                continue
            judged[method] = Judged(corpus, answer[0])
            table[method] = {**answer[1], **judged[method].summary()}
        least = min(each.coverage() for each in judged.values())
        for method, each in judged.items():
            table[method]["precision_at_equal_coverage"] = round(each.precision_at(least), 4)  # type: ignore[index]
        tables[f"{size:,} images"] = table
        print(json.dumps({size: table}), flush=True)
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
