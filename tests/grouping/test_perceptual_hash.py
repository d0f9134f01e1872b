"""Perceptual hashes as a second opinion, on the demo's own drawings."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from triptych.demo.painting import paint
from triptych.demo.scene import imagine_scene, vary_scene
from triptych.grouping.perceptual_hash import MAX_BITS_APART, hashes_agree, picture_hash


def _agree(one: Image.Image, other: Image.Image) -> bool:
    hashes = [np.frombuffer(bytes.fromhex(picture_hash(each)), np.uint8)[None] for each in (one, other)]
    return bool(hashes_agree(*hashes)[0])


def _again(picture: Image.Image, quality: int) -> Image.Image:
    """Through JPEG once more."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_copies_agree() -> None:
    """Squeezed, shrunk to two fifths, trimmed by an eightieth a side, mirrored, or mirrored and shrunk."""
    for number in range(12):
        scene = imagine_scene("unseen", number)
        picture = paint(scene, 600, 450)
        trimmed = picture.crop((7, 5, 593, 445)).resize(picture.size)
        small = picture.resize((240, 180))
        for copy in (_again(picture, 40), small, trimmed, ImageOps.mirror(picture), ImageOps.mirror(small)):
            assert _agree(picture, copy)


def test_variations_of_a_scene_do_not_agree() -> None:
    """They share backdrop and most things, and yet are other pictures."""
    for number in range(12):
        scene = imagine_scene("unseen", number)
        variation = vary_scene(scene, "unseen", number)
        assert not _agree(paint(scene, 600, 450), paint(variation, 600, 450))


@pytest.mark.parametrize(("bits", "agree"), [(MAX_BITS_APART, True), (MAX_BITS_APART + 1, False)])
def test_hashes_agree_up_to_the_bit_limit(bits: int, agree: bool) -> None:
    """Of 256, wherever they are."""
    rng = np.random.default_rng(bits)
    hashes = rng.integers(0, 256, (20, 32), np.uint8)
    flipped = np.zeros((20, 256), bool)
    flipped[:, :bits] = True

    assert (hashes_agree(hashes, hashes ^ np.packbits(rng.permuted(flipped, axis=1), axis=1)) == agree).all()


def test_one_hash_is_compared_with_many() -> None:
    """Itself among them."""
    hashes = np.random.default_rng(1).integers(0, 256, (9, 32), np.uint8)

    assert [4] == np.flatnonzero(hashes_agree(hashes[4], hashes)).tolist()
