"""Slices on a CPU: their size depends on the model's largest tensor, and rows don't depend on threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from triptych.grouping.embedding.preprocess import InputShape
from triptych.grouping.encoders.tower import Placement, TorchTower

SIDE_PX = 64


@pytest.mark.parametrize(
    ("channels", "slice_images"),
    [
        (3, 16),  # 48 KiB per image
        (128, 8),  # 2 MiB per image
        (192, 5),  # 3 MiB
        (2048, 1),  # 32 MiB
    ],
)
def test_a_slice_makes_no_tensor_above_16_mib(channels: int, slice_images: int) -> None:
    assert slice_images == tower(channels).slice_images


def test_rows_of_a_convolutional_tower_do_not_depend_on_threads() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (23, SIDE_PX, SIDE_PX, 3), np.uint8)

    one, three = (tower(128, cpu_threads=threads).encode(pixels) for threads in (1, 3))

    assert one.tobytes() == three.tobytes()


def test_torchs_number_of_threads_is_restored() -> None:
    before = torch.get_num_threads()

    tower(3).encode(np.zeros((2, SIDE_PX, SIDE_PX, 3), np.uint8))

    assert before == torch.get_num_threads()


def tower(channels: int, cpu_threads: int = 2) -> TorchTower:
    """A model of one convolution at full size, then the mean."""
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, channels, 3, padding=1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    placement = Placement(device="cpu", precision="fp32", cpu_threads=cpu_threads)
    shape = InputShape(height_px=SIDE_PX, width_px=SIDE_PX)
    return TorchTower(layers.eval(), shape, mean=[0.5] * 3, std=[0.5] * 3, placement=placement)
