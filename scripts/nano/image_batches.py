"""From ``uint8`` images to normalised batches, with the small changes that real files bring.

Comes in: ``uint8[n, 112, 112, 3]``. Goes out: ``float32[n, 3, 112, 112]``, normalised with ImageNet's mean
and deviation.
"""

import numpy as np
import torch
from scene_pool import Images
from torch.nn import functional

MEAN = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)


def normalise(images: Images) -> torch.Tensor:
    """Exactly what the processors do at inference."""
    return (_unit_range(images) - MEAN) / DEVIATION


def relight(images: Images, generator: torch.Generator, most: float = 0.08) -> torch.Tensor:
    """Normalised, with brightness and contrast changed by up to the share ``most``, and a little noise."""
    pixels = _change_light(_unit_range(images), generator, most)
    return (pixels - MEAN) / DEVIATION


def near_duplicate(images: Images, generator: torch.Generator) -> torch.Tensor:
    """Normalised, as a near duplicate of each would be: cropped by up to 6%, resampled, relit, noisy."""
    pixels = _unit_range(images)
    count = len(pixels)
    kept = 1 - 0.06 * torch.rand(count, 2, generator=generator)
    shift = (1 - kept) * (2 * torch.rand(count, 2, generator=generator) - 1)
    matrices = torch.zeros(count, 2, 3)
    matrices[:, 0, 0], matrices[:, 1, 1] = kept[:, 0], kept[:, 1]
    matrices[:, :, 2] = shift
    grid = functional.affine_grid(matrices, list(pixels.shape), align_corners=False)
    pixels = functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    return (_change_light(pixels, generator, 0.15) - MEAN) / DEVIATION


def _unit_range(images: Images) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float().div_(255)


def _change_light(pixels: torch.Tensor, generator: torch.Generator, most: float) -> torch.Tensor:
    count = len(pixels)
    contrast, brightness = (1 + most * (2 * torch.rand(2, count, 1, 1, 1, generator=generator) - 1)).unbind()
    noise = (
        0.012
        * torch.rand(count, 1, 1, 1, generator=generator)
        * torch.randn(pixels.shape, generator=generator)
    )
    return ((pixels - 0.5) * contrast + 0.5 * brightness + noise).clamp_(0, 1)
