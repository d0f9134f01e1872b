"""Perceptual hashes of the demo's drawings agree only for copies."""

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


def _recompressed(picture: Image.Image, quality: int) -> Image.Image:
    """Encoded as JPEG once more."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def test_hashes_of_copies_agree() -> None:
    """Recompressed, scaled to two fifths, trimmed by an eightieth per side, mirrored, mirrored and scaled."""
    for number in range(12):
        scene = imagine_scene("unseen", number)
        picture = paint(scene, 600, 450)
        trimmed = picture.crop((7, 5, 593, 445)).resize(picture.size)
        small = picture.resize((240, 180))
        for copy in (
            _recompressed(picture, 40),
            small,
            trimmed,
            ImageOps.mirror(picture),
            ImageOps.mirror(small),
        ):
            assert _agree(picture, copy)


def test_hashes_of_variations_of_a_scene_do_not_agree() -> None:
    """They share the backdrop and most objects, but are different pictures."""
    for number in range(12):
        scene = imagine_scene("unseen", number)
        variation = vary_scene(scene, "unseen", number)
        assert not _agree(paint(scene, 600, 450), paint(variation, 600, 450))


@pytest.mark.parametrize(("bits", "agree"), [(MAX_BITS_APART, True), (MAX_BITS_APART + 1, False)])
def test_hashes_agree_up_to_the_bit_limit(bits: int, agree: bool) -> None:
    """Of 256 bits, wherever they differ."""
    rng = np.random.default_rng(bits)
    hashes = rng.integers(0, 256, (20, 32), np.uint8)
    flipped = np.zeros((20, 256), bool)
    flipped[:, :bits] = True

    assert (hashes_agree(hashes, hashes ^ np.packbits(rng.permuted(flipped, axis=1), axis=1)) == agree).all()


def test_one_hash_is_compared_with_many() -> None:
    """It agrees only with itself."""
    hashes = np.random.default_rng(1).integers(0, 256, (9, 32), np.uint8)

    assert [4] == np.flatnonzero(hashes_agree(hashes[4], hashes)).tolist()
