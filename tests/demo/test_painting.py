"""What `triptych.demo.painting` promises about pictures of scenes."""

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
    """float32[side, side, 3], 0..255, of the picture squashed to a square."""
    return np.asarray(image.resize((side_px, side_px), Image.Resampling.BICUBIC), dtype=np.float32)


def test_a_picture_is_rgb_and_of_the_size_asked_for() -> None:
    """Odd sizes are no exception."""
    picture = paint(imagine_scene("train", 0), 301, 199)

    assert (picture.mode, picture.size) == ("RGB", (301, 199))


def test_painting_twice_gives_the_same_pixels() -> None:
    """All chance comes from the scene's own seed."""
    scene = imagine_scene("train", 1)

    assert paint(scene, 224, 168).tobytes() == paint(scene, 224, 168).tobytes()


@pytest.mark.parametrize("index", range(6))
def test_a_large_and_a_small_picture_of_a_scene_are_the_same_picture(index: int) -> None:
    """Squashed to a model's input, both sizes look alike."""
    scene = imagine_scene("train", index)
    large, small = pixels(paint(scene, 960, 720)), pixels(paint(scene, 224, 168))

    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.98
    assert np.abs(large - small).mean() < 6


def test_the_seed_changes_details_only() -> None:
    """Scenes of the same content are different pictures: no two skies are the same."""
    scene = imagine_scene("train", 2)
    twin = Scene(scene.theme, scene.things, scene.seed + 1)

    assert paint(scene, 224, 168).tobytes() != paint(twin, 224, 168).tobytes()


def test_every_kind_has_a_figure() -> None:
    """A kind that can be imagined can be painted."""
    assert set(KINDS) == set(FIGURES)


@pytest.mark.parametrize("theme", THEMES)
def test_recolouring_a_thing_repaints_its_slot_in_the_named_colour_only(theme: str) -> None:
    """At a model's input size, a thing fills over 6% of its half, and its main tone leads.

    A pixel shows the named colour when all its channels are within 40 levels of the main tone.
    """
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
