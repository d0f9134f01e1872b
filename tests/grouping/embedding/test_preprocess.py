"""How pictures are resized and cropped for an image tower, compared with open_clip's own transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from triptych.grouping.embedding.preprocess import InputShape, resize_to
from triptych.grouping.encoders.open_clip import input_shape

NO_NORM = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("frame", [(32, 32), (24, 40)], ids=["square", "wide"])
@pytest.mark.parametrize("size", [(301, 203), (97, 310), (20, 11), (32, 32)], ids=str)
def test_frames_match_open_clips_transform(
    mode: str, interpolation: str, frame: tuple[int, int], size: tuple[int, int]
) -> None:
    """For every resize mode and filter, and any shape, they differ by at most one level of 255."""
    noise = np.random.default_rng(1).integers(0, 256, (size[1] // 4 + 1, size[0] // 4 + 1, 3), np.uint8)
    picture = Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR)
    config = PreprocessCfg(size=frame, resize_mode=mode, interpolation=interpolation, fill_color=7, **NO_NORM)

    ours = resize_to(input_shape(config), picture, *picture.size).framed

    theirs = (image_transform_v2(config, is_train=False)(picture) * 255).round().to(torch.uint8)
    difference = np.abs(theirs.permute(1, 2, 0).numpy().astype(int) - ours.astype(int))
    assert ours.shape == (*frame, 3)
    assert difference.max() <= 1


def test_the_frame_follows_the_original_size() -> None:
    """A picture decoded at a quarter has rounded sides, but its frame doesn't shift with the rounding."""
    original = Image.new("RGB", (2249, 1499))
    quarter = Image.new("RGB", (563, 375))
    shape = InputShape(height_px=224, width_px=224)

    whole = resize_to(shape, quarter, *original.size).whole

    assert (224, 336) == whole.shape[:2]
