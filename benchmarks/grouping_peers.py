"""Other ways to group the same embeddings, one per process, so that each has its own peak memory.

    python -m benchmarks.grouping_peers METHOD ROWS.npy LABELS.npy BOUND

Comes in: ``float16[n, dim]`` rows. Goes out: one label per image (-1: in no group), and on stdout the time
and peak memory. Imports nothing of Triptych, so that a method can run with another Python that has its
packages: scikit-learn and k-means-constrained are not dependencies of Triptych.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

IMAGES_PER_GROUP = 4
LARGEST_GROUP = 5


def faiss_kmeans(rows: np.ndarray, bound: float) -> np.ndarray:
    """faiss' k-means with k = n / 4; groups have any size."""
    import faiss

    kmeans = faiss.Kmeans(
        rows.shape[1], len(rows) // IMAGES_PER_GROUP, niter=5, seed=1, spherical=True,
        min_points_per_centroid=1, max_points_per_centroid=IMAGES_PER_GROUP + 1,
    )  # fmt: skip
    kmeans.train(rows)
    return kmeans.index.search(rows, 1)[1][:, 0]


def connected_components(rows: np.ndarray, bound: float) -> np.ndarray:
    """Connected components of the graph of pairs with cosines >= ``bound``, up to 64 neighbours per image."""
    import faiss
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components as components

    cosines, found = faiss.knn(rows, rows, 65, metric=faiss.METRIC_INNER_PRODUCT)
    left, place = np.nonzero(cosines >= bound)
    graph = coo_matrix((np.ones(len(left)), (left, found[left, place])), shape=(len(rows),) * 2)
    labels: np.ndarray = components(graph, directed=False)[1]
    return labels


def agglomerative(rows: np.ndarray, bound: float) -> np.ndarray:
    """scikit-learn's complete-link clustering, cut at ``bound``."""
    from sklearn.cluster import AgglomerativeClustering

    model = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="complete", distance_threshold=1 - bound
    )
    labels: np.ndarray = model.fit_predict(rows)
    return labels


def constrained_kmeans(rows: np.ndarray, bound: float) -> np.ndarray:
    """k-means-constrained, with groups of 2 to 5."""
    from k_means_constrained import KMeansConstrained

    model = KMeansConstrained(
        len(rows) // IMAGES_PER_GROUP,
        size_min=2,
        size_max=LARGEST_GROUP,
        n_init=1,
        max_iter=5,
        random_state=1,
    )
    labels: np.ndarray = model.fit_predict(rows)
    return labels


def fastdup_components(rows: np.ndarray, bound: float) -> np.ndarray:
    """fastdup's connected components at ``bound``."""
    import os
    import tempfile

    os.environ["SENTRY_OPT_OUT"] = "1"  # else it sends telemetry
    import fastdup

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as empty:
        names = [f"{number}.jpg" for number in range(len(rows))]
        session = fastdup.create(work_dir=folder, input_dir=empty)
        session.run(annotations=names, embeddings=rows, cc_threshold=bound, threshold=bound, overwrite=True)
        table, _ = session.connected_components()
    labels = np.full(len(rows), -1)
    labels[table["index"].to_numpy()] = table["component_id"].to_numpy()
    return labels


METHODS = {
    method.__name__: method
    for method in (faiss_kmeans, connected_components, agglomerative, constrained_kmeans, fastdup_components)
}


def peak_memory_mb() -> float:
    """Peak memory of this process alone; ru_maxrss would start with the memory of its parent."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Run one method, and print its time and memory."""
    name, source, target, bound = sys.argv[1:]
    rows = np.load(source).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    began = time.monotonic()
    labels = METHODS[name](rows, float(bound))
    took_s = time.monotonic() - began
    np.save(target, labels)
    print(json.dumps({"time_s": round(took_s, 1), "peak_memory_mb": round(peak_memory_mb())}))


if __name__ == "__main__":
    main()
