"""The table of all images of a run."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from tests.support.made_up import make_run
from triptych.grouping.sets.image_table import load_image_table
from triptych.records import Measures


def test_images_of_all_shards_are_sorted_by_key(tmp_path: Path) -> None:
    """With their columns and rows; an image without a perceptual hash says so."""
    vectors = {f"{key}.jpg": np.array([1, at], np.float32) for at, key in enumerate("dbca", start=1)}
    run = make_run(tmp_path, vectors, 2, picture_hash={"b.jpg": "ab" * 32}, size_bytes={"c.jpg": 7})

    table = load_image_table(run, without={"a.jpg"})
    rows = {
        table.keys[at]: row[1]
        for each in table.blocks
        for at, row in zip(each.images, each.load(), strict=True)
    }

    assert ["b.jpg", "c.jpg", "d.jpg"] == table.keys == table.content_hashes
    assert [True, False, False] == table.has_picture_hash.tolist()
    assert [0xAB, 0, 0] == table.picture_hashes[:, 31].tolist()
    assert [1000, 7, 1000] == table.size_bytes.tolist()
    assert {"b.jpg": 2, "c.jpg": 3, "d.jpg": 1} == rows


def test_memory_holds_the_records_of_one_shard_at_a_time(tmp_path: Path) -> None:
    """A record with its measures takes 650 bytes, its row of the table 250."""
    keys = [f"{number:05d}.jpg" for number in range(6000)]
    one = Measures(contrast=50.1, darkest=3, brightest=200, sharpness=500.5, text=0.1)
    of_all = {"picture_hash": dict.fromkeys(keys, "ab" * 32), "measures": dict.fromkeys(keys, one)}
    run = make_run(tmp_path, dict.fromkeys(keys, np.ones(2, np.float32)), 30, **of_all)
    load_image_table(run)  # what is imported and cached once doesn't count

    tracemalloc.start()
    load_image_table(run)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 500 * len(keys)
