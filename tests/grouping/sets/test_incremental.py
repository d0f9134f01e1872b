"""How duplicates and sets are updated when images are added or removed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.copied_corpora import near, themes
from tests.support.made_up import as_unit
from triptych.grouping.config import SetsConfig
from triptych.grouping.embedding.stored_embeddings import unit_float16
from triptych.grouping.neighbours.inverted_lists import StoredBlock
from triptych.grouping.sets import Grouped, group_images
from triptych.grouping.sets.image_table import make_image_table
from triptych.grouping.sets.incremental import PreviousGrouping
from triptych.progress import Silent
from triptych.records import ImageRecord

OLD, PIXELS = 200, 100
RNG = np.random.default_rng(7)
IMAGES = themes(RNG)[:OLD]


class Corpus:
    """Grouped images, by default 000 to 199, to which others can be added (in batch 1)."""

    def __init__(
        self, folder: Path, config: SetsConfig | None = None, rows: NDArray[np.floating] = IMAGES
    ) -> None:
        self._folder, self._config = folder, config or SetsConfig()
        self._count = 0
        self.rows = {f"{number:03d}": row for number, row in enumerate(rows)}
        self.records = {
            key: ImageRecord(key=key, content_hash=f"{key}-old", width_px=PIXELS, height_px=1)
            for key in self.rows
        }
        self.found = self._group(None)

    def add(self, key: str, row: NDArray[np.floating], *, width_px: int = PIXELS, content: str = "") -> None:
        """Add or replace an image."""
        self.rows[key] = np.asarray(row)
        self.records[key] = ImageRecord(
            key=key, content_hash=content or f"{key}-new", width_px=width_px, height_px=1
        )

    def remove(self, key: str) -> None:
        """Remove an image."""
        del self.rows[key], self.records[key]

    def group_again(self) -> tuple[Grouped, Grouped]:
        """Return the previous and the new result."""
        before = self.found
        assert before.thresholds is not None
        self.found = self._group(PreviousGrouping(before.duplicates, before.sets, before.thresholds))
        return before, self.found

    def _group(self, before: PreviousGrouping | None) -> Grouped:
        self._count += 1
        records = list(self.records.values())
        units = unit_float16(np.stack(list(self.rows.values())).astype(np.float32))
        batches = [int(not record.content_hash.endswith("-old")) for record in records]
        table = make_image_table(
            records, [StoredBlock(np.arange(len(units)), lambda: units)], units.shape[1], batches
        )
        return group_images(table, self._config, self._folder / str(self._count), Silent(), before)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """A grouped corpus of twenty themes."""
    return Corpus(tmp_path)


def test_new_images_make_sets_among_themselves_and_change_no_set(corpus: Corpus) -> None:
    """Even if they would fit into existing sets; thresholds stay the same."""
    for number, row in enumerate(near(IMAGES[:20:2], 0.85, RNG)):
        corpus.add(f"new-{number}", row)
    before, now = corpus.group_again()

    assert before.thresholds == now.thresholds
    assert {each.id for each in before.sets} <= {each.id for each in now.sets}
    new = [each for each in now.sets if each not in before.sets]
    assert new
    in_sets = {key for each in before.sets for key in each.keys}
    assert not in_sets.intersection(key for each in new for key in each.keys)


def test_a_new_copy_is_a_duplicate_of_the_existing_image_even_if_it_is_larger(corpus: Corpus) -> None:
    """A near copy of an image in a set, and an exact copy whose key comes before the original's."""
    kept = corpus.found.sets[0].keys[0]
    corpus.add("larger", near(corpus.rows[kept][None], 0.99, RNG)[0], width_px=10 * PIXELS)
    corpus.add("000-same", corpus.rows["001"], content="001-old")
    before, now = corpus.group_again()

    assert {("larger", kept), ("000-same", "001")} == {
        (each.key, each.of) for each in now.duplicates if each not in before.duplicates
    }
    assert before.sets == now.sets


def test_more_new_copies_than_an_image_has_neighbours_are_all_found(corpus: Corpus) -> None:
    """All are duplicates of the existing image."""
    kept = corpus.found.sets[0].keys[0]
    for number, row in enumerate(near(np.repeat(corpus.rows[kept][None], 50, axis=0), 0.995, RNG)):
        corpus.add(f"copy-{number:02d}", row, width_px=number * PIXELS + 1)
    before, now = corpus.group_again()

    assert {(f"copy-{number:02d}", kept) for number in range(50)} == {
        (each.key, each.of) for each in now.duplicates if each not in before.duplicates
    }
    assert before.sets == now.sets


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_set_that_lost_an_image_is_dissolved(how: str, corpus: Corpus) -> None:
    """Its other images can join new sets; all other sets stay."""
    dissolved = max(corpus.found.sets, key=lambda each: len(each.keys))
    if how == "gone":
        corpus.remove(dissolved.keys[0])
    else:
        corpus.add(dissolved.keys[0], themes(RNG)[-1])
    before, now = corpus.group_again()

    assert dissolved not in now.sets
    assert {each.id for each in before.sets} - {dissolved.id} <= {each.id for each in now.sets}
    assert set(dissolved.keys[1:]) <= {key for each in now.sets for key in each.keys}


def test_a_set_with_a_changed_file_is_dissolved(corpus: Corpus) -> None:
    """Even if the changed image has the same embedding. Here each image has a nearer new one."""
    dissolved = max(corpus.found.sets, key=lambda each: len(each.keys))
    corpus.add(dissolved.keys[0], corpus.rows[dissolved.keys[0]])
    for key in dissolved.keys:
        corpus.add(f"new-{key}", near(corpus.rows[key][None], 0.85, RNG)[0])
    before, now = corpus.group_again()

    assert dissolved not in now.sets
    assert {each.id for each in before.sets} - {dissolved.id} <= {each.id for each in now.sets}
    assert {frozenset({key, f"new-{key}"}) for key in dissolved.keys} == {
        frozenset(each.keys) for each in now.sets if each not in before.sets
    }


def test_a_duplicate_of_a_removed_image_takes_its_place(corpus: Corpus) -> None:
    """It is no longer a duplicate, and can be in a set."""
    member = corpus.found.sets[0].keys[0]
    corpus.add("copy", near(corpus.rows[member][None], 0.99, RNG)[0])
    corpus.group_again()
    corpus.remove(member)
    _, now = corpus.group_again()

    assert "copy" not in {each.key for each in now.duplicates}
    assert "copy" in {key for each in now.sets for key in each.keys}


def test_kept_sets_count_towards_max_sets(tmp_path: Path) -> None:
    """New sets are only made up to the limit."""
    corpus = Corpus(tmp_path, SetsConfig(max_sets=10))
    for number, row in enumerate(near(IMAGES[:40:2], 0.85, RNG)):
        corpus.add(f"new-{number}", row)
    before, now = corpus.group_again()

    assert 10 == len(before.sets)
    assert before.sets == now.sets


def test_grouping_again_without_changes_gives_the_same_result(corpus: Corpus) -> None:
    """Sets and duplicates are identical."""
    corpus.add("copy", near(corpus.rows["000"][None], 0.99, RNG)[0])
    corpus.group_again()
    before, now = corpus.group_again()

    assert (before.sets, before.duplicates) == (now.sets, now.duplicates)


def test_existing_sets_of_every_kind_are_kept(tmp_path: Path) -> None:
    """Images in them, including odd ones, aren't used again."""
    corpus = Corpus(tmp_path, SetsConfig(contrast_share=0.2, varied_share=0.2))
    for number, row in enumerate(near(IMAGES[:100:2], 0.85, RNG)):
        corpus.add(f"new-{number}", row)
    before, now = corpus.group_again()

    assert {each.id: each for each in before.sets}.items() <= {each.id: each for each in now.sets}.items()
    new = [each for each in now.sets if each not in before.sets]
    keys = [key for each in now.sets for key in each.keys]
    assert len(keys) == len(set(keys))
    assert "contrast" in {each.kind for each in before.sets} | {each.kind for each in new}


@pytest.mark.parametrize(("share", "contrast"), [(0.3, 3), (0.6, 6)])
def test_shares_of_kinds_hold_over_many_small_additions(share: float, contrast: int, tmp_path: Path) -> None:
    """Ten batches, each of a related pair and three images unlike all others."""
    rng = np.random.default_rng(2)
    config = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.97, contrast_share=share)
    times = as_unit(rng.normal(size=(50, 128))).reshape(10, 5, 128)
    times[:, 1] = near(times[:, 0], 0.85, rng)
    corpus = Corpus(tmp_path, config, rows=times[0])
    for time in range(1, 10):
        for at, row in enumerate(times[time]):
            corpus.add(f"{time:02d}-{at}", row)
        corpus.group_again()

    assert {"contrast": contrast, "related": 10 - contrast} == Counter(
        each.kind for each in corpus.found.sets
    )


def test_new_varied_sets_make_up_for_a_missing_share(tmp_path: Path) -> None:
    """The old images are of one theme, so no varied set was possible; many new images are unlike them."""
    config = SetsConfig(related_cosine_similarity=0.4, duplicate_cosine_similarity=0.97, varied_share=0.5)
    corpus = Corpus(tmp_path, config, rows=IMAGES[:10])
    for number, row in enumerate(as_unit(np.random.default_rng(3).normal(size=(40, IMAGES.shape[1])))):
        corpus.add(f"new-{number}", row)
    before, now = corpus.group_again()

    assert {"related"} == {each.kind for each in before.sets}
    assert {"related": len(before.sets), "varied": len(before.sets)} == Counter(
        each.kind for each in now.sets
    )


def test_a_duplicate_whose_bytes_changed_gets_its_current_reason(corpus: Corpus) -> None:
    """First it has the same bytes; then it is saved again and looks a little different."""
    corpus.add("copy", corpus.rows["000"], content="000-old")
    corpus.group_again()
    [row] = [each for each in corpus.found.duplicates if each.key == "copy"]
    assert ("000", "same bytes", 1.0) == (row.of, row.reason, row.cosine_similarity)

    corpus.add("copy", near(corpus.rows["000"][None], 0.99, RNG)[0])
    corpus.group_again()

    [row] = [each for each in corpus.found.duplicates if each.key == "copy"]
    assert ("000", "near duplicate") == (row.of, row.reason)
    assert 0.99 == pytest.approx(row.cosine_similarity, abs=1e-3)


def test_a_near_duplicate_that_now_has_the_same_bytes_gets_that_reason(corpus: Corpus) -> None:
    """It was replaced by a copy of the file."""
    corpus.add("copy", near(corpus.rows["000"][None], 0.99, RNG)[0])
    corpus.group_again()
    corpus.add("copy", corpus.rows["000"], content="000-old")
    corpus.group_again()

    [row] = [each for each in corpus.found.duplicates if each.key == "copy"]
    assert ("000", "same bytes", 1.0) == (row.of, row.reason, row.cosine_similarity)
