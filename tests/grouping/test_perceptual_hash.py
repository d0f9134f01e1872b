"""Perceptual hashes as a second opinion, on the demo's own drawings."""

import io

import numpy as np
from PIL import Image

from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.grouping.perceptual_hash import MAX_BITS_APART, bits_apart, picture_hash


def _apart(one: Image.Image, other: Image.Image) -> int:
    hashes = [np.frombuffer(bytes.fromhex(picture_hash(each)), np.uint8)[None] for each in (one, other)]
    return int(bits_apart(*hashes)[0])


def _again(picture: Image.Image, quality: int) -> Image.Image:
    """Through JPEG once more."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_copies_agree() -> None:
    """Squeezed, shrunk to two fifths, or trimmed by an eightieth a side: no more bits apart than allowed."""
    for number in range(12):
        scene = imagine_scene("unseen", number)
        picture = paint(scene, 600, 450)
        trimmed = picture.crop((7, 5, 593, 445)).resize(picture.size)
        for copy in (_again(picture, 40), picture.resize((240, 180)), trimmed):
            assert _apart(picture, copy) <= MAX_BITS_APART


def test_variations_of_a_scene_do_not_agree() -> None:
    """They share backdrop and most things, and yet are other pictures."""
    for number in range(12):
        scene = imagine_scene("unseen", number)
        variation = vary_scene(scene, "unseen", number)
        assert _apart(paint(scene, 600, 450), paint(variation, 600, 450)) > MAX_BITS_APART


def test_bits_are_counted() -> None:
    """Between each pair of lines."""
    left = np.array([[0, 255], [1, 2]], np.uint8)
    right = np.array([[0, 0], [1, 3]], np.uint8)

    assert [8, 1] == bits_apart(left, right).tolist()
