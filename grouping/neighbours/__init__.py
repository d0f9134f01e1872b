"""Nearest neighbours: an index of inverted lists on disk, and exact searches in it on a CPU or a GPU.

Comes in: stored embeddings. Goes out: for each image its nearest others. Not its job: what a similarity
means (see sets).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from triptych.errors import SetupError
from triptych.grouping.config import SearchDevice

if TYPE_CHECKING:
    from triptych.grouping.neighbours.searcher import Searcher

DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""Of NVIDIA, of it under Windows, of AMD. torch is asked only where one is: it takes 600 MB of memory."""


def open_searcher(device: SearchDevice, threads: int) -> Searcher:
    """``auto`` takes the first GPU that torch finds, else the CPU with ``threads`` threads (0: all cores).

    Raises SetupError where a GPU is asked for and there is none.
    """
    if device == "cuda" or (device == "auto" and any(Path(driver).exists() for driver in DRIVERS)):
        import torch

        if torch.cuda.is_available():
            from triptych.grouping.neighbours.torch_search import TorchSearcher

            return TorchSearcher("cuda")
        if device == "cuda":
            raise SetupError("sets.device is cuda, but torch finds no GPU; set it to auto or cpu")
    from triptych.grouping.neighbours.faiss_search import FaissSearcher

    return FaissSearcher(threads)
