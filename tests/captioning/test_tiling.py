"""Image sizes and tile grids, compared with the grids that the model's own library chooses."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

from tests.support.small_run import picture
from triptych.captioning.tiling import (
    bounded_size,
    fit_to_tiles,
    resized_jpeg,
    side_per_image,
    tile_grid,
    tiles_per_image,
    unpack,
)

SIZES = [
    (width, height)
    for width in (90, 448, 600, 1500, 2250, 4000)
    for height in (64, 448, 500, 1000, 1500, 3000)
]


@pytest.mark.parametrize("max_tiles", [1, 2, 4, 6, 12])
def test_the_grid_is_the_one_that_the_models_processor_chooses(max_tiles: int) -> None:
    """For tall, wide, small and large pictures, ties included."""
    for width, height in SIZES:
        theirs = get_optimal_tiled_canvas((height, width), (448, 448), 1, max_tiles)

        assert theirs == tile_grid(width, height, 448, max_tiles), (width, height)


@pytest.mark.parametrize("budget", [1, 2, 3, 4, 6, 12])
def test_a_fitted_picture_keeps_its_grid_in_a_model_that_takes_12_tiles(budget: int) -> None:
    """So the client decides the number of tiles, whatever the server's own limit is."""
    for width, height in SIZES:
        columns, rows = tile_grid(width, height, 448, budget)

        theirs = get_optimal_tiled_canvas((rows * 448, columns * 448), (448, 448), 1, 12)

        assert (columns, rows) == theirs


def test_pixels_decide_between_equally_close_grids() -> None:
    """A small square stays one tile, a large one gets as many as it has pixels for."""
    assert (1, 1) == tile_grid(448, 448, 448, 12)
    assert (2, 2) == tile_grid(700, 700, 448, 12)
    assert (3, 3) == tile_grid(1500, 1500, 448, 12)


def test_one_tile_squashes_any_picture_to_a_square() -> None:
    """The embedded model was trained on such pictures."""
    jpeg = fit_to_tiles(picture(1, 300, 100), tile_grid(300, 100, 112, 1), 112)

    assert (112, 112) == unpack(jpeg).size


def test_a_fitted_picture_is_a_jpeg_of_exactly_the_grid_with_full_chroma() -> None:
    """No component is subsampled (4:4:4)."""
    jpeg = fit_to_tiles(picture(2, 800, 500), (3, 2), 112)

    with Image.open(io.BytesIO(jpeg)) as image:
        assert ("JPEG", (336, 224)) == (image.format, image.size)
        assert {(1, 1)} == {(layer[1], layer[2]) for layer in image.layer}
    assert (
        np.abs(np.asarray(unpack(jpeg), int) - np.asarray(picture(2, 800, 500).resize((336, 224)))).mean() < 3
    )


@pytest.mark.parametrize(("image_count", "tiles"), [(1, 12), (2, 6), (3, 4), (5, 2), (20, 1)])
def test_the_images_of_a_set_share_the_tile_budget(image_count: int, tiles: int) -> None:
    """In equal parts, and each has at least one tile."""
    assert tiles == tiles_per_image(12, image_count)


@pytest.mark.parametrize(
    ("size", "bound_px", "expected"),
    [
        ((3000, 2000), 1540, (1540, 1027)),
        ((2000, 3000), 1540, (1027, 1540)),
        ((800, 600), 1540, (800, 600)),
        ((5000, 1), 100, (100, 1)),
    ],
)
def test_without_tiles_the_longer_side_is_bounded(
    size: tuple[int, int], bound_px: int, expected: tuple[int, int]
) -> None:
    """Proportions stay; nothing is enlarged."""
    assert expected == bounded_size(*size, bound_px)


def test_without_tiles_the_images_of_a_set_share_the_pixels_of_one() -> None:
    """As they share the tiles of one."""
    assert [1540, 1088, 770, 1] == [
        side_per_image(1540, 1),
        side_per_image(1540, 2),
        side_per_image(1540, 4),
        side_per_image(1, 9),
    ]


def test_a_picture_that_is_small_enough_is_not_resampled() -> None:
    """Its pixels are the original's except for JPEG's losses, at full chroma."""
    whole = picture(3, 300, 200)

    sent = unpack(resized_jpeg(whole, (300, 200)))

    assert 1.5 > np.abs(np.asarray(sent, int) - np.asarray(whole, int)).mean()
