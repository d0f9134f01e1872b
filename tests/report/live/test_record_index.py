"""Records of images and sets are found by key or id, even in a run that grows."""

from __future__ import annotations

from pathlib import Path

import pytest

from triptych.records import ImageRecord, ImageSet
from triptych.report.live.record_index import RecordIndex
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl

KEYS = ["a/é.jpg", "a/\u2028.jpg", "a/b.jpg"]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    found = RunFolder.create_or_open(tmp_path / "run")
    write_jsonl(found.images_file("a"), [ImageRecord(key=key, width_px=at) for at, key in enumerate(KEYS, 1)])
    return found


def test_images_are_found_in_any_shard(run: RunFolder) -> None:
    """Even in a shard that was added later, and if another shard was given. An unknown image isn't found."""
    index = RecordIndex()

    assert [1, 2, 3] == [index.image(run, key).image.width_px for key in KEYS]
    assert index.image(run, "c.jpg") is None

    write_jsonl(run.images_file("c"), [ImageRecord(key="c.jpg", width_px=9)])

    assert ("c", 9) == (index.image(run, "c.jpg", "a").shard, index.image(run, "c.jpg").image.width_px)


def test_the_images_of_a_set_are_current(run: RunFolder) -> None:
    """Sets may be made again. Before they are made, a set has no images."""
    index = RecordIndex()

    assert () == index.keys_of(run, "set_1")

    for keys in (("a", "b"), ("b", "c", "d")):
        one = ImageSet(id="set_1", keys=keys, min_cosine_similarity=0.8, mean_cosine_similarity=0.8)
        write_jsonl(run.sets_file, [one])

        assert keys == index.keys_of(run, "set_1")


def test_no_file_outside_the_run_is_read(run: RunFolder, tmp_path: Path) -> None:
    """Even if the page asks for a shard that isn't in the run."""
    write_jsonl(tmp_path / "elsewhere.jsonl", [ImageRecord(key="secret.jpg", width_px=1)])

    assert RecordIndex().image(run, "secret.jpg", str(tmp_path / "elsewhere")) is None
    assert RecordIndex().image(run, "secret.jpg", "../../elsewhere") is None


def test_a_damaged_line_does_not_affect_others(run: RunFolder) -> None:
    """`triptych verify` reports it."""
    index, file = RecordIndex(), run.images_file("a")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], b"{\n", *lines[2:]]))

    assert index.image(run, KEYS[1]) is None
    assert index.image(run, KEYS[2]).image.width_px == 3


def test_if_a_shard_is_given_no_other_list_is_read(run: RunFolder) -> None:
    """A run has thousands of them."""
    write_jsonl(run.images_file("c"), [ImageRecord(key="c.jpg", width_px=9)])
    run.images_file("a").unlink()
    run.images_file("a").mkdir()  # can't be read

    assert ("c", 9) == ((found := RecordIndex().image(run, "c.jpg", "c")).shard, found.image.width_px)
