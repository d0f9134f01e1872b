"""Who searches: a GPU where there is one.

Comes in: what the config says. Goes out: a Searcher. Not its job: searching.
"""

from __future__ import annotations

from pathlib import Path

from triptych.errors import SetupError
from triptych.grouping.config import SearchDevice
from triptych.grouping.neighbours.faiss_search import FaissSearcher, Searcher

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
    return FaissSearcher(threads)
