"""From ``uint8`` images to normalised batches, augmented with the small differences that real files have.

Comes in: ``uint8[n, 112, 112, 3]``. Goes out: ``float32[n, 3, 112, 112]``, normalised with ImageNet's mean
and standard deviation.
"""

import numpy as np
import torch
from model_folders import IMAGENET_MEAN, IMAGENET_STD
from scene_pool import Images
from torch.nn import functional

MEAN = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
STD = torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)


def relight(images: Images, generator: torch.Generator) -> torch.Tensor:
    """Normalised, with brightness and contrast changed by up to 8% and a little noise."""
    return (_change_light(_unit_range(images), generator, 0.08) - MEAN) / STD


def near_duplicate(images: Images, generator: torch.Generator) -> torch.Tensor:
    """Normalised near duplicates: cropped by up to 6%, resampled, relit, noisy."""
    pixels = _unit_range(images)
    count = len(pixels)
    kept = 1 - 0.06 * torch.rand(count, 2, generator=generator)
    shift = (1 - kept) * (2 * torch.rand(count, 2, generator=generator) - 1)
    matrices = torch.zeros(count, 2, 3)
    matrices[:, 0, 0], matrices[:, 1, 1] = kept[:, 0], kept[:, 1]
    matrices[:, :, 2] = shift
    grid = functional.affine_grid(matrices, list(pixels.shape), align_corners=False)
    pixels = functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    return (_change_light(pixels, generator, 0.15) - MEAN) / STD


def _unit_range(images: Images) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(255)


def _change_light(pixels: torch.Tensor, generator: torch.Generator, limit: float) -> torch.Tensor:
    count = len(pixels)
    contrast, brightness = (1 + limit * (2 * torch.rand(2, count, 1, 1, 1, generator=generator) - 1)).unbind()
    noise = (
        0.012
        * torch.rand(count, 1, 1, 1, generator=generator)
        * torch.randn(pixels.shape, generator=generator)
    )
    return ((pixels - 0.5) * contrast + 0.5 * brightness + noise).clamp_(0, 1)
