"""Exact searches on a GPU, by torch.

Comes in: unit vectors, ``float32[n, dim]``. Goes out: the nearest of them. Results equal FaissSearcher's
except for the order of cosines that differ only by rounding, since float32 products are summed in another
order. Final cosines are computed elsewhere (see unit_vectors), so sets can only differ if two images tie for
the last place of a row. GPU memory holds one piece's queries and results per thread, and a block. Not its
job: which vectors are searched.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.grouping.neighbours.unit_vectors import Block

PIECES_SIDE_BY_SIDE = 2
"""One is read from disk while the other is multiplied."""


class TorchSearcher:
    """Searches on one torch device."""

    threads = PIECES_SIDE_BY_SIDE

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self.name = f"torch on {device}"

    def work_in_one_thread(self) -> None:
        """Does nothing: results of a GPU don't depend on the threads of this process."""

    def search(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        query_vectors = torch.from_numpy(queries).to(self._device)
        cosines = torch.full((len(queries), count), -torch.inf, device=self._device)
        images = torch.full((len(queries), count), -1, dtype=torch.int64, device=self._device)
        for block in blocks:
            if not len(block.images):
                continue
            vectors = torch.from_numpy(block.vectors).to(self._device)
            numbers = torch.from_numpy(block.images).to(self._device)
            rows = torch.from_numpy(block.queries).to(self._device)
            products = query_vectors[rows] @ vectors.T
            near_cosines, near = torch.topk(products, min(count, len(vectors)), dim=1)
            candidates = torch.cat([cosines[rows], near_cosines], dim=1)
            cosines[rows], best = torch.topk(candidates, count, dim=1)
            images[rows] = torch.cat([images[rows], numbers[near]], dim=1).gather(1, best)
        found = cosines.masked_fill(images < 0, -1.0)
        return images.cpu().numpy(), found.cpu().numpy()

    def nearest_centroids(
        self, vectors: NDArray[np.float32], centroids: NDArray[np.float32], count: int
    ) -> NDArray[np.int64]:
        products = torch.from_numpy(vectors).to(self._device) @ torch.from_numpy(centroids).to(self._device).T
        count = min(count, len(centroids))
        nearest: NDArray[np.int64] = torch.topk(products, count, dim=1).indices.cpu().numpy()
        return nearest
