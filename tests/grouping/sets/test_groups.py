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
TURNS = [at // 12 for at in range(len(ROWS))]
"""Twelve images that follow each other, half a theme: as frames of a video."""


def _groups_in(sets: Sequence[ImageSet], groups: Sequence[str]) -> list[list[str]]:
    return [[groups[int(key)] for key in each.keys] for each in sets]


@pytest.mark.parametrize("kinds", [{}, {"contrast_share": 0.3, "varied_share": 0.2}])
def test_images_share_a_set_with_those_of_their_group_only(kinds: dict[str, float]) -> None:
    """Albums that go across themes, ten images of each of four: many sets, none of two albums."""
    albums = [str(at // (4 * EACH)) + "ab"[at % 2] for at in range(len(ROWS))]

    found = group(ROWS, groups=albums, config=SetsConfig(together="album", **kinds))  # type: ignore[arg-type]

    assert 200 < len(found.sets)
    assert all(len(set(each)) == 1 for each in _groups_in(found.sets, albums))


def test_a_neighbour_in_the_same_group_is_found_behind_many_nearer_images() -> None:
    """With two neighbours an image and 24 as near in other groups, the one in the own group is found."""
    albums = [f"{at // EACH}-{at % 12}" for at in range(len(ROWS))]

    found = group(ROWS, groups=albums, config=SetsConfig(together="album", neighbours=2))

    assert 0.6 * len(ROWS) < 2 * len(found.sets)
    assert all(len(set(each)) == 1 for each in _groups_in(found.sets, albums))


@pytest.mark.parametrize("kinds", [{}, {"contrast_share": 0.3, "varied_share": 0.2}])
def test_no_two_images_of_one_group_share_a_set(kinds: dict[str, float]) -> None:
    """With fewer neighbours than the own video has frames, sets of other videos' frames are found."""
    videos = list(map(str, TURNS))

    found = group(ROWS, groups=videos, config=SetsConfig(apart="video", neighbours=8, **kinds))  # type: ignore[arg-type]

    assert 200 < len(found.sets)
    assert all(len(set(each)) == len(each) for each in _groups_in(found.sets, videos))


def test_images_without_a_group() -> None:
    """In no set where groups stay together; in one with anybody where they stay apart."""
    some = [str(turn) if at % 4 else "" for at, turn in enumerate(TURNS)]

    together = group(ROWS, groups=some, config=SetsConfig(together="album"))
    apart = group(ROWS, groups=some, config=SetsConfig(apart="album"))

    assert "" not in {name for each in _groups_in(together.sets, some) for name in each}
    assert ["", ""] in _groups_in(apart.sets, some)
    assert all(
        len(set(filter(None, each))) == len(list(filter(None, each))) for each in _groups_in(apart.sets, some)
    )


def test_groups_and_the_setting_that_uses_them_need_each_other() -> None:
    """One without the other is a mistake."""
    with pytest.raises(UsageError, match="groups and the config's together or apart need each other"):
        group(ROWS, groups=list(map(str, TURNS)))
    with pytest.raises(UsageError, match="groups and the config's together or apart need each other"):
        group(ROWS, config=SetsConfig(apart="video"))
    with pytest.raises(UsageError, match="2 groups for 960 embeddings"):
        group(ROWS, groups=["a", "b"], config=SetsConfig(apart="video"))


def test_a_join_leaves_out_the_own_group_exactly(tmp_path: Path) -> None:
    """Every cell searched, as all cosines sorted; the same for any number of threads, and by torch."""
    apart = np.array([turn if turn % 5 else -1 for turn in TURNS], np.int32)
    stored = ROWS.astype(np.float16)
    blocks = [StoredBlock(np.arange(len(ROWS)), lambda: stored)]

    def joined(searcher: Searcher) -> np.ndarray:
        folder = tmp_path / f"{searcher.name}-{searcher.threads}"
        lists = build_inverted_lists(blocks, len(ROWS), 64, folder, searcher)
        return SelfJoin(lists, lists.cells, 6, apart=apart).run(folder / "join").images

    cosines = ROWS.astype(np.float64) @ ROWS.astype(np.float64).T
    barred = (apart[:, None] == apart) & (apart >= 0)
    np.fill_diagonal(barred, True)
    truth = np.argsort(-np.where(barred, -2, cosines), axis=1)[:, :6]
    found = joined(FaissSearcher(1))

    assert 0.99 < np.mean([len(np.intersect1d(a, b)) / 6 for a, b in zip(found, truth, strict=True)])
    assert not barred[np.arange(len(ROWS))[:, None], found].any()
    digests = {hashlib.sha256(joined(FaissSearcher(threads)).tobytes()).hexdigest() for threads in (2, 3)}
    assert {hashlib.sha256(found.tobytes()).hexdigest()} == digests
    assert 0.999 < (joined(TorchSearcher("cpu")) == found).mean()
