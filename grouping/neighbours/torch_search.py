"""The same searches on a GPU, by torch.

Comes in: unit vectors, ``float32[n, dim]``. Goes out: the nearest of them, as FaissSearcher gives them but
for the order of those whose cosines differ by rounding: products are in float32, summed in another order.
What decides is computed elsewhere (see unit_vectors), so a set could only change where two images tie for
the last place of a line. In GPU memory: the queries of a piece a thread, their lines, and a block. Not its
job: which vectors are searched.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.grouping.neighbours.unit_vectors import Block

PIECES_SIDE_BY_SIDE = 2
"""One is read from disk while another is multiplied."""


class TorchSearcher:
    """On one device of torch."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self.threads = PIECES_SIDE_BY_SIDE

    @property
    def name(self) -> str:
        return f"torch on {self._device}"

    def work_in_one_thread(self) -> None:
        """Nothing: what a GPU computes doesn't depend on the threads of this process."""

    def search(
        self, queries: NDArray[np.float32], blocks: Iterable[Block], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        asked = torch.from_numpy(queries).to(self._device)
        cosines = torch.full((len(queries), count), -torch.inf, device=self._device)
        images = torch.full((len(queries), count), -1, dtype=torch.int64, device=self._device)
        for block in blocks:
            if not len(block.images):
                continue
            vectors = torch.from_numpy(block.vectors).to(self._device)
            numbers = torch.from_numpy(block.images).to(self._device)
            lines = torch.from_numpy(block.queries).to(self._device)
            some, at = torch.topk(asked[lines] @ vectors.T, min(count, len(vectors)), dim=1)
            candidates = torch.cat([cosines[lines], some], dim=1)
            best, place = torch.topk(candidates, count, dim=1)
            cosines[lines] = best
            images[lines] = torch.cat([images[lines], numbers[at]], dim=1).gather(1, place)
        found = cosines.masked_fill(images < 0, -1.0)
        return images.cpu().numpy(), found.cpu().numpy()

    def nearest_centroids(
        self, vectors: NDArray[np.float32], centroids: NDArray[np.float32], count: int
    ) -> NDArray[np.int64]:
        products = torch.from_numpy(vectors).to(self._device) @ torch.from_numpy(centroids).to(self._device).T
        at_most = min(count, len(centroids))
        nearest: NDArray[np.int64] = torch.topk(products, at_most, dim=1).indices.cpu().numpy()
        return nearest
