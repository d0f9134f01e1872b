"""Searches in synthetic embeddings: exact, with ties in run order, and without missing images."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from triptych.errors import SetupError
from triptych.grouping import search
from triptych.grouping.embedding.stored_embeddings import unit_float16
from triptych.grouping.neighbours.unit_vectors import as_units
from triptych.grouping.search import Search
from triptych.records import GONE, ImageRecord, ImageSet
from triptych.runs.arrays import write_array
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl

DIMENSIONS = 24


@pytest.fixture(autouse=True)
def _few_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "ROWS_AT_ONCE", 7)


def test_results_match_a_full_sort(tmp_path: Path) -> None:
    """With several shards, one of them empty, and unreadable files in between."""
    rows = [made_up(20, seed=1), made_up(0, seed=2), made_up(33, seed=3)]
    run = run_of(tmp_path, rows)
    vector = as_units(made_up(1, seed=4))[0]
    cosines = np.einsum("ij,j->i", as_units(np.concatenate(rows)), vector)
    keys = [record.key for record in run.all_images() if record.is_embedded]
    expected = [(keys[row], round(float(cosines[row]), 6)) for row in np.argsort(-cosines, kind="stable")]

    for count in (1, 10, 53, 99):
        found = [(each.key, each.cosine_similarity) for each in Search(run, vector).images(count)]

        assert expected[:count] == found


def test_ties_are_in_run_order(tmp_path: Path) -> None:
    same = np.repeat(made_up(1, seed=1), 12, axis=0)
    run = run_of(tmp_path, [same, same])

    found = Search(run, as_units(same)[0]).images(15)

    assert [record.key for record in run.all_images() if record.is_embedded][:15] == [
        each.key for each in found
    ]


def test_missing_images_are_not_found(tmp_path: Path) -> None:
    """Their rows stay in the files; the next nearest images are found instead."""
    rows = made_up(12, seed=1)
    run = run_of(tmp_path, [rows, made_up(5, seed=2)])
    gone = [
        msgspec.structs.replace(each, unreadable=GONE) if each.is_embedded else each
        for each in run.images("shard-0")
    ]
    write_jsonl(run.images_file("shard-0"), gone)

    found = Search(run, as_units(rows)[0]).images(3)

    assert [True] * 3 == [each.key.startswith("1/") for each in found]


def test_sets_are_ordered_by_their_nearest_image(tmp_path: Path) -> None:
    """However far down the list of images it is."""
    rows = made_up(60, seed=1)
    vector = as_units(rows)[0]
    run = run_of(tmp_path, [rows])
    order = [each.key for each in Search(run, vector).images(60)]
    pairs = [(order[59], order[40]), (order[50], order[45]), (order[3], order[58])]
    write_jsonl(run.sets_file, map(image_set, pairs))

    found = Search(run, vector).sets(2)

    assert [pairs[2], pairs[0]] == [each.keys for each in found]
    assert [order[3], order[40]] == [each.nearest for each in found]
    assert 3 == len(Search(run, vector).sets(9))


def test_a_vector_of_another_dimension_is_a_one_line_error(tmp_path: Path) -> None:
    run = run_of(tmp_path, [made_up(3, seed=1)])

    with pytest.raises(SetupError, match=r"has 24 dimensions, the encoder gives 5; expected"):
        Search(run, np.ones(5, np.float32))


def test_a_run_without_embeddings_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="nothing is embedded yet; run `triptych group` first"):
        Search(RunFolder.create_or_open(tmp_path / "run"), np.ones(5, np.float32))


def test_damaged_embeddings_are_a_one_line_error(tmp_path: Path) -> None:
    """There are fewer rows than images."""
    run = run_of(tmp_path, [made_up(9, seed=1)])
    write_array(run.embeddings_file("shard-0"), made_up(8, seed=1))

    with pytest.raises(SetupError, match=r"expected float16\[9, dim\]"):
        Search(run, as_units(made_up(1, seed=2))[0]).images(3)


def made_up(count: int, seed: int) -> NDArray[np.float16]:
    """Unit rows around one direction."""
    random = np.random.default_rng(seed)
    return unit_float16(random.standard_normal((count, DIMENSIONS)) + 1)


def run_of(folder: Path, shards: list[NDArray[np.float16]]) -> RunFolder:
    """A run of these embeddings, with unreadable files in between."""
    run = RunFolder.create_or_open(folder / "run")
    for number, rows in enumerate(shards):
        write_array(run.embeddings_file(f"shard-{number}"), rows)
        records = [ImageRecord(key=f"{number}/{row:03d}.jpg") for row in range(len(rows))]
        for place in range(0, len(rows), 3):
            records.insert(place, ImageRecord(key=f"{number}/bad{place:03d}.jpg", unreadable="empty"))
        write_jsonl(run.images_file(f"shard-{number}"), records)
    return run


def image_set(keys: tuple[str, ...]) -> ImageSet:
    return ImageSet(id=f"set-{keys[0]}", keys=keys, mean_cosine_similarity=0.9, min_cosine_similarity=0.9)
