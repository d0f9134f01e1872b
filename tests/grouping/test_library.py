"""Grouping without a run folder."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.support.contexts import context_of
from tests.support.made_up import as_unit, at_degrees, make_run, seen_by
from triptych.errors import UnreadableImageError, UsageError
from triptych.grouping import library
from triptych.grouping.config import EmbeddingConfig, SetsConfig
from triptych.grouping.encoders.choice import load_encoder, resolve_encoder
from triptych.grouping.library import embed, group
from triptych.grouping.sets_stage import make_sets
from triptych.grouping.stage import embed_sources
from triptych.runs.folder import RunFolder
from triptych.sources.opening import open_sources

THRESHOLDS = SetsConfig(related_cosine_similarity=0.7, duplicate_cosine_similarity=0.95)


def _corpus() -> NDArray[np.float32]:
    """60 rows in 15 groups of four; two rows of each group are near duplicates."""
    rng = np.random.default_rng(7)
    rows = []
    for centre in rng.normal(size=(15, 16)):
        three = centre + rng.normal(0, 0.5, (3, 16))
        rows += [*three, three[0] + rng.normal(0, 0.01, 16)]
    return as_unit(np.array(rows))


def test_the_examples_in_docstrings_work() -> None:
    """All eight pass."""
    assert (0, 8) == doctest.testmod(library)


def test_arrays_are_grouped_like_a_run(tmp_path: Path) -> None:
    """The same embeddings, of any length and dtype and in any order, give the same sets."""
    vectors = _corpus()
    keys = [f"{row:03d}.jpg" for row in range(len(vectors))]
    run = make_run(
        tmp_path / "run", dict(zip(keys, vectors, strict=True)), content_hash=dict.fromkeys(keys, "")
    )
    make_sets(context_of(run), THRESHOLDS)
    shuffled = np.random.default_rng(1).permutation(len(vectors))

    found = group(
        3.0 * vectors.astype(np.float64)[shuffled], [keys[at] for at in shuffled], config=THRESHOLDS
    )

    assert list(run.sets()) == found.sets
    assert [(d.key, d.of) for d in run.duplicates()] == [(d.key, d.of) for d in found.duplicates]


def test_every_image_has_one_place() -> None:
    """In a set, among the duplicates or single. By default, keys are row numbers."""
    found = group(_corpus(), config=THRESHOLDS)

    placed = [key for each in found.sets for key in each.keys]
    placed += [each.key for each in found.duplicates] + found.single
    assert sorted(map(str, range(60))) == sorted(placed)
    assert 15 == len(found.duplicates)
    assert found.thresholds is not None
    assert "as configured" == found.thresholds.why


def test_images_of_the_same_content_are_duplicates() -> None:
    """Even if their vectors are unlike."""
    [duplicate] = group(at_degrees(0, 90), ["a", "b"], content_hashes=["x", "x"]).duplicates

    assert ("b", "a", "same bytes") == (duplicate.key, duplicate.of, duplicate.reason)


def test_an_array_without_rows_has_no_groups() -> None:
    """There are no thresholds either."""
    found = group(np.zeros((0, 8), np.float32))

    assert ([], [], [], None) == (found.sets, found.duplicates, found.single, found.thresholds)


@pytest.mark.parametrize(
    ("rows", "keys", "message"),
    [
        ([[1, 0]], None, r"embeddings are int64\[1, 2\]; expected floating-point numbers"),
        ([1.0, 0.0], None, r"embeddings are float64\[2\]; expected floating-point numbers"),
        ([[1.0, 0.0], [0.0, 0.0]], None, "row 1 of the embeddings, of 1 such rows, is zero or not finite"),
        ([[1.0, 0.0]], ["a", "b"], "2 keys for 1 embeddings; expected one each"),
        ([[1.0, 0.0], [0.0, 1.0]], ["a", "a"], "the key 'a' comes twice"),
    ],
    ids=["integers", "one dimension", "zeros", "too many keys", "a key twice"],
)
def test_invalid_embeddings_and_keys_are_one_line_errors(
    rows: list[object], keys: list[str] | None, message: str
) -> None:
    """The error says what was found."""
    with pytest.raises(UsageError, match=message):
        group(np.array(rows), keys)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"keys": range(3)}, "keys: row 0 is 0; expected a str$"),
        ({"keys": np.arange(3)}, r"keys: row 0 is np\.int64\(0\); expected a str$"),
        ({"keys": ["a", Path("b.jpg"), "c"]}, r"keys: row 1 is PosixPath\('b\.jpg'\); expected a str$"),
        (
            {"content_hashes": ["x", None, 3]},
            "hashes: row 1 is None; expected a str, '' where it has none",
        ),
        ({"groups": ["a", "a", None]}, "groups: row 2 is None; expected a str, '' where it has none"),
        ({"groups": ["a", float("nan"), ""]}, "groups: row 1 is nan; expected a str, '' where it has none"),
    ],
    ids=["a range", "numbers", "a path", "no hash", "no group", "a gap in a table"],
)
def test_columns_that_are_not_strings_are_one_line_errors(columns: dict[str, Any], message: str) -> None:
    """In keys, hashes or groups; the error names the first such row."""
    with pytest.raises(UsageError, match=message):
        group(at_degrees(0, 30, 60), config=SetsConfig(together="album"), **columns)


def test_files_get_the_vectors_of_a_run(tiny_clip: Path, tmp_path: Path) -> None:
    """Paths and bytes give the same bits; a decoded picture gives the encoder's own vector."""
    (tmp_path / "photos").mkdir()
    pictures = [Image.effect_noise((90 + 7 * number, 70), 60).convert("RGB") for number in range(5)]
    paths = [tmp_path / "photos" / f"{number}.jpg" for number in range(5)]
    for path, picture in zip(paths, pictures, strict=True):
        picture.save(path)
    run = RunFolder.create_or_open(tmp_path / "run")
    embed_sources(
        context_of(run),
        open_sources([tmp_path / "photos"]),
        EmbeddingConfig(model=str(tiny_clip), batch_size=2),
    )

    found = embed([*paths[:4], paths[4].read_bytes()], str(tiny_clip), batch_size=2)
    [decoded] = embed(pictures[:1], str(tiny_clip))

    encoder = load_encoder(resolve_encoder(str(tiny_clip)), "cpu")
    assert np.array_equal(np.load(run.embeddings_file("files-00000")), found)
    assert np.array_equal(encoder.encode(seen_by(encoder.shape, pictures[:1]))[0], decoded)
    assert (0, 16) == embed([], str(tiny_clip)).shape


def test_an_unreadable_image_is_named(tiny_clip: Path, tmp_path: Path) -> None:
    """The error has the reason that a run would record."""
    (tmp_path / "note.jpg").write_bytes(b"no picture")

    with pytest.raises(UnreadableImageError, match=r"note\.jpg: unknown format"):
        embed([tmp_path / "note.jpg"], str(tiny_clip))
