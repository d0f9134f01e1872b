"""Groups that keep images together or apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.support.made_up import as_unit
from triptych.errors import UsageError
from triptych.grouping.config import SetsConfig
from triptych.grouping.library import group
from triptych.grouping.neighbours import Searcher
from triptych.grouping.neighbours.faiss_search import FaissSearcher
from triptych.grouping.neighbours.inverted_lists import StoredBlock, build_inverted_lists
from triptych.grouping.neighbours.self_join import SelfJoin
from triptych.grouping.neighbours.torch_search import TorchSearcher
from triptych.records import ImageSet

RNG = np.random.default_rng(5)
THEMES, EACH = 40, 24
ROWS = as_unit(
    np.repeat(RNG.normal(size=(THEMES, 64)), EACH, axis=0) + RNG.normal(0, 0.6, (THEMES * EACH, 64))
)
VIDEOS = [at // 12 for at in range(len(ROWS))]
"""The video of each image: twelve consecutive images, half a theme, are frames of the same one."""


def _groups_in(sets: Sequence[ImageSet], groups: Sequence[str]) -> list[list[str]]:
    return [[groups[int(key)] for key in each.keys] for each in sets]


@pytest.mark.parametrize("kinds", [{}, {"contrast_share": 0.3, "varied_share": 0.2}])
def test_sets_do_not_mix_groups_that_are_kept_together(kinds: dict[str, float]) -> None:
    """Each album spans four themes: many sets are found, and none mixes albums."""
    albums = [str(at // (4 * EACH)) + "ab"[at % 2] for at in range(len(ROWS))]

    found = group(ROWS, groups=albums, config=SetsConfig(together="album", **kinds))  # type: ignore[arg-type]

    assert 200 < len(found.sets)
    assert all(len(set(each)) == 1 for each in _groups_in(found.sets, albums))


def test_a_neighbour_of_the_same_group_is_found_among_many_equally_near_images() -> None:
    """Two neighbours per image are enough, though only one of 23 equally near images is in its group."""
    albums = [f"{at // EACH}-{at % 12}" for at in range(len(ROWS))]

    found = group(ROWS, groups=albums, config=SetsConfig(together="album", neighbours=2))

    assert 0.6 * len(ROWS) < 2 * len(found.sets)
    assert all(len(set(each)) == 1 for each in _groups_in(found.sets, albums))


@pytest.mark.parametrize("kinds", [{}, {"contrast_share": 0.3, "varied_share": 0.2}])
def test_sets_have_at_most_one_image_of_groups_that_are_kept_apart(kinds: dict[str, float]) -> None:
    """Sets are found with fewer neighbours per image than its video has frames."""
    videos = list(map(str, VIDEOS))

    found = group(ROWS, groups=videos, config=SetsConfig(apart="video", neighbours=8, **kinds))  # type: ignore[arg-type]

    assert 200 < len(found.sets)
    assert all(len(set(each)) == len(each) for each in _groups_in(found.sets, videos))


def test_images_without_a_group_are_in_no_set_or_unrestricted() -> None:
    """They are in no set if groups are kept together, and unrestricted if groups are kept apart."""
    some = [str(video) if at % 4 else "" for at, video in enumerate(VIDEOS)]

    together = group(ROWS, groups=some, config=SetsConfig(together="album"))
    apart = group(ROWS, groups=some, config=SetsConfig(apart="album"))

    assert "" not in {name for each in _groups_in(together.sets, some) for name in each}
    assert ["", ""] in _groups_in(apart.sets, some)
    assert all(
        len(set(filter(None, each))) == len(list(filter(None, each))) for each in _groups_in(apart.sets, some)
    )


def test_groups_and_the_setting_that_uses_them_need_each_other() -> None:
    """One without the other is a usage error, and so is a wrong number of groups."""
    with pytest.raises(UsageError, match="groups and the config's together or apart need each other"):
        group(ROWS, groups=list(map(str, VIDEOS)))
    with pytest.raises(UsageError, match="groups and the config's together or apart need each other"):
        group(ROWS, config=SetsConfig(apart="video"))
    with pytest.raises(UsageError, match="2 groups for 960 embeddings"):
        group(ROWS, groups=["a", "b"], config=SetsConfig(apart="video"))


def test_the_self_join_excludes_an_images_own_group(tmp_path: Path) -> None:
    """Searching every cell matches a full sort, for any number of threads and with torch."""
    apart = np.array([video if video % 5 else -1 for video in VIDEOS], np.int32)
    stored = ROWS.astype(np.float16)
    blocks = [StoredBlock(np.arange(len(ROWS)), lambda: stored)]

    def joined(searcher: Searcher) -> np.ndarray:
        folder = tmp_path / f"{searcher.name}-{searcher.threads}"
        lists = build_inverted_lists(blocks, len(ROWS), 64, folder, searcher)
        return SelfJoin(lists, lists.cells, 6, apart=apart).run(folder / "join").images

    cosines = ROWS.astype(np.float64) @ ROWS.astype(np.float64).T
    excluded = (apart[:, None] == apart) & (apart >= 0)
    np.fill_diagonal(excluded, True)
    truth = np.argsort(-np.where(excluded, -2, cosines), axis=1)[:, :6]
    found = joined(FaissSearcher(1))

    assert 0.99 < np.mean([len(np.intersect1d(a, b)) / 6 for a, b in zip(found, truth, strict=True)])
    assert not excluded[np.arange(len(ROWS))[:, None], found].any()
    digests = {hashlib.sha256(joined(FaissSearcher(threads)).tobytes()).hexdigest() for threads in (2, 3)}
    assert {hashlib.sha256(found.tobytes()).hexdigest()} == digests
    assert 0.999 < (joined(TorchSearcher("cpu")) == found).mean()
