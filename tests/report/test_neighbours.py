"""Similar images and their cosines, from the stored embeddings."""

import numpy as np
import pytest

from triptych.progress import Silent
from triptych.records import ImageRecord
from triptych.report import neighbours
from triptych.report.cards import Thresholds, why_joined, why_left_out
from triptych.report.neighbours import locate
from triptych.report.thumbnails import along_two_components
from triptych.runs.folder import RunFolder
from triptych.runs.jsonl import write_jsonl


@pytest.fixture
def embedded(tmp_path) -> tuple[RunFolder, dict[str, np.ndarray]]:
    """A run with two shards of 90 random images, one of them unreadable in each, and their unit vectors by
    key."""
    run = RunFolder.create_or_open(tmp_path / "run")
    rng = np.random.default_rng(7)
    units = {}
    for shard in ("a", "b"):
        records = [ImageRecord(key=f"{shard}/{i:02d}.jpg", width_px=9, height_px=9) for i in range(90)]
        records[4] = ImageRecord(key=f"{shard}/04.jpg", unreadable="empty: no bytes")
        readable = [record.key for record in records if record.unreadable is None]
        write_jsonl(run.images_file(shard), records)
        rows = rng.normal(size=(len(readable), 16)).astype(np.float16)
        run.embeddings_file(shard).parent.mkdir(exist_ok=True)
        np.save(run.embeddings_file(shard), rows)
        units |= {
            key: row / np.linalg.norm(row) for key, row in zip(readable, rows.astype(np.float64), strict=True)
        }
    return run, units


@pytest.mark.parametrize("rows_at_once", [7, 8192])
def test_the_nearest_image_outside_a_set_has_the_greatest_minimum_cosine_to_its_members(
    embedded, monkeypatch, rows_at_once
) -> None:
    """Compared with a plain loop over all images. Duplicates and members are excluded."""
    run, units = embedded
    monkeypatch.setattr(neighbours, "ROWS_AT_ONCE", rows_at_once)
    keys = ["a/03.jpg", "a/30.jpg", "b/05.jpg"]
    worst = {
        key: min(unit @ units[member] for member in keys) for key, unit in units.items() if key not in keys
    }
    best, second = sorted(worst, key=lambda key: -worst[key])[:2]
    for duplicates, expected in ((set(), best), ({best}, second)):
        located = locate(run, set(keys), duplicates, Silent())
        chosen = [located.of_key[key] for key in keys]
        found = neighbours.measure(run, [chosen], located.sample, duplicates, Silent()).outsiders[0]

        assert found is not None
        assert expected == found.image.record.key
        assert worst[expected] == pytest.approx(float(found.cosines.min()), abs=1e-6)


def test_the_nearest_neighbour_of_an_image_is_another_image(embedded) -> None:
    """Otherwise all would be counted at 1 in the histogram."""
    run, units = embedded
    located = locate(run, set(), set(), Silent())
    shown = neighbours.measure(run, [], located.sample, set(), Silent()).nearest.shown()
    matrix = np.stack(list(units.values())) @ np.stack(list(units.values())).T
    np.fill_diagonal(matrix, -1)

    assert 178 == sum(shown.counts)
    assert shown.low + shown.step * len(shown.counts) == pytest.approx(matrix.max(), abs=0.0101)


def test_a_line_for_each_image_explains_how_it_joined_the_set() -> None:
    """First the closest pair, then each time the image whose weakest link is strongest."""
    cosines = np.array([[1, 0.8, 0.76], [0.8, 1, 0.9], [0.76, 0.9, 1]], np.float32)

    assert [
        "at least 0.760 to those before (weakest to 3)",
        "closest pair, with 3: 0.900",
        "closest pair, with 2: 0.900",
    ] == why_joined(cosines)


@pytest.mark.parametrize(
    ("cosines", "own_set", "explanation"),
    [
        ([0.8, 0.7], None, "0.700 to image 2, below 0.75, where related images begin"),
        ([0.8, 0.7], "set_b", "0.700 to image 2, below 0.75, where related images begin; it is in set_b"),
        ([0.96, 0.8], None, "0.960 to image 1, as near as a duplicate"),
        ([0.9, 0.8], "set_b", "at least 0.800 to every image: related to all, and in set_b"),
        ([0.9, 0.8], None, "at least 0.800 to every image: related to all, and in no set"),
    ],
)
def test_a_line_for_the_nearest_image_outside_explains_why_it_was_left_out(
    cosines: list[float], own_set: str | None, explanation: str
) -> None:
    """It is derived from the cosines, thresholds and the image's own set."""
    outsider = neighbours.Outsider(None, np.array(cosines, np.float32))  # type: ignore[arg-type]

    assert explanation == why_left_out(outsider, Thresholds(0.75, 0.94), own_set)


def test_the_map_places_similar_images_together() -> None:
    """Two groups are separated along the first component. Positions are ranks, so they fill the square."""
    rng = np.random.default_rng(5)
    centres = np.repeat(np.eye(2, 16, dtype=np.float32), 20, axis=0)
    places = np.array(along_two_components((centres + rng.normal(0, 0.02, centres.shape)).astype(np.float32)))

    assert (0, 1) == (places.min(), places.max())
    left = places[:, 0] < 0.5
    assert {20, 0} == {int(left[:20].sum()), int(left[20:].sum())}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_map_of_few_images_has_a_place_for_each(count: int) -> None:
    """A run may have only one image, or none."""
    assert count == len(along_two_components(np.eye(8, dtype=np.float32)[:count]))
