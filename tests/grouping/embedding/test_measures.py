"""Measures of pictures whose values are known, and their independence of picture size."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from triptych.grouping.embedding.measures import measure

WORDS = "a page of text holds little that a caption of a picture could say about it".split()


def scene(width_px: int = 640, height_px: int = 480, seed: int = 1) -> Image.Image:
    """Boxes in many colours, with sharp edges."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (width_px, height_px), (90, 140, 200))
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        left, top = rng.integers(0, width_px), rng.integers(0, height_px)
        right, bottom = left + rng.integers(20, 160), top + rng.integers(20, 160)
        draw.rectangle((left, top, right, bottom), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture


def page(size_px: int = 24, *, ink: int = 30, paper: int = 245) -> Image.Image:
    """An A4 page full of lines of text."""
    picture = Image.new("RGB", (1000, 1414), (paper,) * 3)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size_px)
    rng = np.random.default_rng(2)
    for top in range(90, 1300, round(1.5 * size_px)):
        line = ""
        while font.getlength(line) < 780:
            line += str(rng.choice(WORDS)) + " "
        draw.text((90, top), line, font=font, fill=(ink,) * 3)
    return picture


def test_a_plain_picture_has_no_contrast_and_no_edges() -> None:
    """A single colour: darkest and brightest are the same."""
    measures = measure(Image.new("RGB", (300, 200), (120, 120, 120)))

    assert (0, 0, 0) == (measures.contrast, measures.sharpness, measures.text)
    assert (120, 120) == (measures.darkest, measures.brightest)


def test_contrast_is_the_standard_deviation() -> None:
    """Half black, half white: 127.5."""
    picture = Image.new("RGB", (100, 100))
    picture.paste((255, 255, 255), (0, 0, 50, 100))

    assert measure(picture).contrast == 127.5


def test_colours_of_the_same_brightness_have_contrast() -> None:
    """Red and green, both with a brightness of 76."""
    picture = Image.new("RGB", (100, 100), (255, 0, 0))
    picture.paste((0, 130, 0), (0, 0, 50, 100))

    assert measure(picture).contrast == 127.5


def test_blur_lowers_the_sharpness_step_by_step() -> None:
    """A larger radius never gives more; a strong blur gives far less than a sharp picture."""
    sharp = scene()
    found = [measure(sharp.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (0, 1, 2, 4, 8)]

    assert found == sorted(found, reverse=True)
    assert found[-1] < 20 < 200 < found[0]


def test_darkest_and_brightest_follow_the_light() -> None:
    """With a tenth of the light, nothing is bright; with a tenth of the darkness, nothing is dark."""
    sharp = scene()
    dark, bright = (
        measure(sharp.point(lambda level: level // 10)),
        measure(sharp.point(lambda level: 255 - (255 - level) // 10)),
    )

    assert dark.brightest <= 25
    assert bright.darkest >= 230


@pytest.mark.parametrize("size_px", [16, 24, 32])
@pytest.mark.parametrize(("ink", "paper"), [(30, 245), (230, 20)])
def test_lines_of_text_are_detected(size_px: int, ink: int, paper: int) -> None:
    """Small and large letters, dark on light and light on dark."""
    assert measure(page(size_px, ink=ink, paper=paper)).text > 0.3


def test_stripes_signs_and_scenes_are_not_text() -> None:
    """Stripes have no gaps, the letters of a sign are large, and objects are larger still."""
    stripes = Image.new("RGB", (800, 800), (240, 240, 240))
    for left in range(0, 800, 24):
        stripes.paste((40, 40, 90), (left, 0, left + 9, 800))
    sign = scene(seed=3)
    sign.paste((250, 250, 250), (60, 60, 600, 420))
    ImageDraw.Draw(sign).text((90, 120), "BREAD", font=ImageFont.load_default(150), fill=(180, 0, 0))

    assert [0, 0, 0] == [measure(each).text for each in (stripes, stripes.rotate(90), scene(seed=4))]
    assert measure(sign).text < 0.1


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (1, 5000), (5000, 60)])
def test_pictures_of_any_shape_are_measured(size: tuple[int, int]) -> None:
    """Even a single line of pixels; a plain colour has no edges and no contrast."""
    measures = measure(Image.new("RGB", size, (10, 20, 30)))

    assert (measures.sharpness, measures.contrast) == (0, 0)


def test_the_size_of_a_picture_makes_little_difference() -> None:
    """A scene, and the same scene with four times the width and height."""
    small, large = scene(512, 384), scene(512, 384).resize((2048, 1536), Image.Resampling.LANCZOS)

    assert measure(large).sharpness == pytest.approx(measure(small).sharpness, rel=0.2)
    assert measure(large).contrast == pytest.approx(measure(small).contrast, rel=0.02)
