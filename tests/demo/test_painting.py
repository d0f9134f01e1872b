"""Pictures of scenes, drawn by `triptych.demo.painting`."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from triptych.demo.drawings.tints import TINTS
from triptych.demo.painting import FIGURES, paint
from triptych.demo.scene import KINDS, THEMES, Scene, Thing, imagine_scene


def pixels(image: Image.Image, side_px: int = 112) -> NDArray[np.float32]:
    """float32[side, side, 3] from 0 to 255: the picture, resized to a square."""
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BICUBIC), dtype=np.float32)


def test_a_picture_is_rgb_and_of_the_requested_size() -> None:
    """Also if width and height are odd."""
    picture = paint(imagine_scene("train", 0), 301, 199)

    assert (picture.mode, picture.size) == ("RGB", (301, 199))


def test_painting_twice_gives_the_same_pixels() -> None:
    """All random choices depend on the scene's seed alone."""
    scene = imagine_scene("train", 1)

    assert paint(scene, 224, 168).tobytes() == paint(scene, 224, 168).tobytes()


@pytest.mark.parametrize("index", range(6))
def test_a_scene_looks_the_same_at_any_size(index: int) -> None:
    """Large and small pictures are nearly equal once they are resized for a model."""
    scene = imagine_scene("train", index)
    large, small = pixels(paint(scene, 960, 720)), pixels(paint(scene, 224, 168))

    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.98
    assert np.abs(large - small).mean() < 6


def test_scenes_with_different_seeds_are_different_pictures() -> None:
    """Even if their content is the same: no two skies are."""
    scene = imagine_scene("train", 2)
    twin = Scene(scene.theme, scene.things, scene.seed + 1)

    assert paint(scene, 224, 168).tobytes() != paint(twin, 224, 168).tobytes()


def test_every_kind_has_a_figure() -> None:
    """So everything that a scene can contain can be painted."""
    assert set(KINDS) == set(FIGURES)


@pytest.mark.parametrize("theme", THEMES)
def test_recolouring_a_thing_changes_only_its_place_in_the_picture(theme: str) -> None:
    """At a model's input size, over 6% of its half of the picture changes, and over 25% of that has the named
    colour: all channels of a pixel are within 40 levels of the main tone."""
    kinds, colours = THEMES[theme].kinds, THEMES[theme].colours
    for kind in kinds:
        for colour, other in pairwise((*colours, colours[0])):
            scenes = [
                Scene(theme, (Thing(kind, c, "left"), Thing(kinds[0], "red", "right")), 5)
                for c in (colour, other)
            ]
            picture, recoloured = (pixels(paint(scene, 224, 168)) for scene in scenes)
            changed = np.abs(picture - recoloured).max(axis=2) > 12
            named = np.abs(picture - np.array(TINTS[colour].main[:3])).max(axis=2) < 40

            assert changed[:, :56].mean() > 0.06, f"{colour} {kind}"
            assert not changed[:, 58:].any(), f"{colour} {kind}"
            assert named[changed].mean() > 0.25, f"{colour} {kind}"
