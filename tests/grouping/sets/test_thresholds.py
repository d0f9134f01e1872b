"""Derived and explicit thresholds."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.support.made_up import as_unit, at_degrees, group
from triptych.grouping.config import SetsConfig
from triptych.runs.folder import Setting

AUTO = SetsConfig()


def _themes(within: float, by_chance: float, seed: int = 3) -> np.ndarray:
    """40 themes of 8 images with about these cosines inside a theme and between themes."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(40, 256)), rng.normal(size=(40, 8, 256))
    shared = rng.normal(size=256)
    parts = [
        np.sqrt(by_chance) * shared / np.linalg.norm(shared),
        np.sqrt(within - by_chance) * as_unit(directions[0])[:, None, :],
        np.sqrt(1 - within) * as_unit(directions[1].reshape(-1, 256)).reshape(40, 8, 256),
    ]
    return as_unit((parts[0] + parts[1] + parts[2]).reshape(-1, 256))


def _thresholds(notes: dict[str, Setting]) -> tuple[float, float]:
    """The related and the duplicate threshold."""
    related, duplicate = notes["related_cosine_similarity"], notes["duplicate_cosine_similarity"]
    return float(str(related)), float(str(duplicate))


@pytest.mark.parametrize(("within", "by_chance"), [(0.9, 0.5), (0.8, 0.2), (0.6, 0.0)])
def test_auto_puts_the_thresholds_between_chance_and_the_themes(
    within: float, by_chance: float, tmp_path: Path
) -> None:
    """For encoders with different scales. Most images are in sets, and no set mixes themes."""
    grouped = group(_themes(within, by_chance), AUTO, tmp_path)

    related, duplicate = _thresholds(grouped.notes)
    assert by_chance < related < within < duplicate < 1
    assert sum(len(each.keys) for each in grouped.sets) > 0.8 * 320
    assert all(len({int(key[:3]) // 8 for key in each.keys}) == 1 for each in grouped.sets)


def test_a_dominant_theme_does_not_move_the_related_threshold(tmp_path: Path) -> None:
    """Three of four images are of one theme: the threshold is the same as for the other themes alone."""
    themes = _themes(0.8, 0.2)
    rng = np.random.default_rng(5)
    more = as_unit(themes[:8].sum(axis=0, keepdims=True)) * np.sqrt(0.8) + np.sqrt(0.2) * as_unit(
        rng.normal(size=(960, 256))
    )

    alone, _ = _thresholds(group(themes, AUTO, tmp_path / "alone").notes)
    dominated, _ = _thresholds(group(np.concatenate([themes, as_unit(more)]), AUTO, tmp_path / "both").notes)

    assert alone == pytest.approx(dominated, abs=0.06)


def test_derived_thresholds_are_stored_with_their_reason(tmp_path: Path) -> None:
    """The explanation names the cosines of random pairs and of nearest neighbours."""
    notes = group(_themes(0.8, 0.2), AUTO, tmp_path).notes

    reason = re.search(
        r"median cosine of (0\.\d+) .* a nearest neighbour has (0\.\d+)", str(notes["thresholds_why"])
    )
    assert reason is not None
    assert [0.2, 0.82] == pytest.approx([float(reason[1]), float(reason[2])], abs=0.05)


def test_explicit_thresholds_are_used_unchanged(tmp_path: Path) -> None:
    """Whatever the corpus."""
    config = SetsConfig(related_cosine_similarity=0.3, duplicate_cosine_similarity=0.97)

    notes = group(_themes(0.8, 0.2), config, tmp_path).notes

    assert (0.3, 0.97, "as configured") == (
        notes["related_cosine_similarity"],
        notes["duplicate_cosine_similarity"],
        notes["thresholds_why"],
    )


def test_equal_vectors_are_duplicates_at_any_threshold(tmp_path: Path) -> None:
    """Even at 1.0, though in float32 some vectors have a slightly lower cosine with themselves."""
    one = _themes(0.8, 0.2)[:60]
    config = SetsConfig(related_cosine_similarity=0.3, duplicate_cosine_similarity=1.0)

    grouped = group(np.concatenate([one, one]), config, tmp_path)

    assert [(f"{60 + at:03d}.jpg", f"{at:03d}.jpg") for at in range(60)] == [
        (each.key, each.of) for each in grouped.duplicates
    ]


@pytest.mark.parametrize("count", [4, 320], ids=["few", "many"])
def test_a_related_threshold_near_one_is_used_unchanged(count: int, tmp_path: Path) -> None:
    """The derived threshold for duplicates is above it."""
    config = SetsConfig(related_cosine_similarity=0.9993)

    related, duplicate = _thresholds(group(_themes(0.8, 0.2)[:count], config, tmp_path).notes)

    assert 0.9993 == related
    assert 0.99965 == pytest.approx(duplicate)


def test_few_images_get_the_default_thresholds(tmp_path: Path) -> None:
    """These are the thresholds for ViT-B/32; the run's notes give the reason."""
    notes = group(at_degrees(0, 10, 40, 90), AUTO, tmp_path).notes

    assert (0.75, 0.94) == (notes["related_cosine_similarity"], notes["duplicate_cosine_similarity"])
    assert "4 images are too few" in str(notes["thresholds_why"])


def test_a_corpus_full_of_copies_still_gets_thresholds(tmp_path: Path) -> None:
    """If every image has a copy, nearest neighbours say little, but the thresholds are still in order."""
    one = _themes(0.8, 0.2)[:60]
    notes = group(np.concatenate([one, one]), AUTO, tmp_path).notes

    related, duplicate = _thresholds(notes)
    assert 0 < related < duplicate <= 1
