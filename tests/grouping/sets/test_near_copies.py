"""Copies change neither the thresholds nor the sets, however many images have copies."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.copied_corpora import KINDS, Copied, equal_rows, frames, near
from tests.support.made_up import group as group_with_hashes
from triptych.grouping.config import SetsConfig
from triptych.grouping.library import Groups, group
from triptych.grouping.perceptual_hash import picture_hash

TESTED_KINDS = (
    "0% with a near copy",
    "34% with a near copy",
    "90% with a near copy",
    "all with an exact copy",
    "half with five near copies",
    "one in ten with forty near copies",
    "shots of 8 frames, 0.995 from frame to frame",
)


@pytest.fixture(scope="module")
def without_copies() -> Groups:
    """Groups of the images without copies. All kinds of copies are made of these images."""
    images = KINDS[TESTED_KINDS[0]]()
    return group(images.rows)


def _sets_with_copies(copied: Copied, groups: Groups) -> int:
    """Number of sets that contain an image and its copy."""
    return sum(len({copied.origin[int(key)] for key in each.keys}) < len(each.keys) for each in groups.sets)


@pytest.mark.parametrize("kind", TESTED_KINDS)
def test_copies_are_set_aside_and_sets_are_the_same_as_without_them(
    kind: str, without_copies: Groups
) -> None:
    """Exactly the copies are duplicates, as many images are in sets, and thresholds are the same."""
    copied = KINDS[kind]()

    groups = group(copied.rows)

    assert groups.thresholds is not None and without_copies.thresholds is not None
    assert len(copied.rows) - copied.images == len(groups.duplicates)
    assert all(copied.origin[int(each.key)] == copied.origin[int(each.of)] for each in groups.duplicates)
    assert 0 == _sets_with_copies(copied, groups)
    assert sum(len(each.keys) for each in without_copies.sets) == pytest.approx(
        sum(len(each.keys) for each in groups.sets), rel=0.02
    )
    assert without_copies.thresholds.related == pytest.approx(groups.thresholds.related, abs=0.01)
    assert without_copies.thresholds.duplicate == pytest.approx(groups.thresholds.duplicate, abs=0.005)
    assert "" == groups.thresholds.warning


@pytest.mark.parametrize("cosine", [1.0, 0.9997])
def test_one_of_many_equal_rows_is_kept_with_a_warning(cosine: float) -> None:
    """For rows that are exactly or nearly equal."""
    groups = group(equal_rows(cosine, 500))

    assert groups.thresholds is not None
    assert (499, []) == (len(groups.duplicates), groups.sets)
    assert "too much alike" in groups.thresholds.warning


def test_slowly_changing_frames_give_a_warning() -> None:
    """Neighbouring frames are duplicates nevertheless."""
    groups = group(frames(0.98, 6).rows)

    assert groups.thresholds is not None
    assert "frames of a video" in groups.thresholds.warning
    assert groups.thresholds.duplicate < 0.98


def test_copies_found_by_hashes_alone_do_not_move_the_thresholds(tmp_path: Path) -> None:
    """All images in two sizes, which the encoder places half as far apart (0.88) as neighbours."""
    rng = np.random.default_rng(6)
    hashes = [
        picture_hash(Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).resize((64, 64)))
        for _ in range(200)
    ]
    images = KINDS[TESTED_KINDS[0]]().rows[:200]
    both = np.concatenate([images, near(images, 0.88, rng)])

    one = group_with_hashes(images.astype(np.float32), SetsConfig(), tmp_path / "one", picture_hash=hashes)
    two = group_with_hashes(both.astype(np.float32), SetsConfig(), tmp_path / "two", picture_hash=hashes * 2)

    assert one.thresholds is not None and two.thresholds is not None
    assert one.thresholds.related == pytest.approx(two.thresholds.related, abs=0.02)
    assert one.thresholds.duplicate == pytest.approx(two.thresholds.duplicate, abs=0.005)
    assert 200 == len(two.duplicates)
    assert {"hashes agree"} == {each.reason for each in two.duplicates}
