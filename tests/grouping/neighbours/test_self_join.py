"""The self-join: its results, their independence of threads and blocks, and resuming."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.made_up import as_unit
from triptych.errors import SetupError
from triptych.grouping.neighbours import Searcher, inverted_lists, open_searcher, probe_count, self_join
from triptych.grouping.neighbours.faiss_search import FaissSearcher
from triptych.grouping.neighbours.inverted_lists import InvertedLists, StoredBlock, build_inverted_lists
from triptych.grouping.neighbours.probe_count import choose_probe_count, measure_recall, true_neighbours
from triptych.grouping.neighbours.self_join import Neighbours, SelfJoin

COUNT = 8


@pytest.fixture
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search small corpora approximately, like large ones."""
    monkeypatch.setattr(inverted_lists, "IMAGES_PER_CELL", 50)
    monkeypatch.setattr(probe_count, "EXACT_BELOW_IMAGES", 100)
    monkeypatch.setattr(self_join, "MIN_PIECE_IMAGES", 200)


def _rows(images: int = 3_000) -> NDArray[np.float16]:
    """Clusters of about ten rows each."""
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(images // 10, 24))
    return as_unit(centres[rng.integers(0, len(centres), images)] + rng.normal(0, 0.6, (images, 24))).astype(
        np.float16
    )


TWO_THREADS = FaissSearcher(threads=2)


def _index(
    rows: NDArray[np.float16], folder: Path, searcher: Searcher = TWO_THREADS, blocks: int = 3
) -> InvertedLists:
    parts = np.array_split(np.arange(len(rows)), blocks)
    stored = [StoredBlock(part, lambda part=part: rows[part]) for part in parts]  # type: ignore[misc]
    return build_inverted_lists(stored, len(rows), rows.shape[1], folder, searcher)


def _same(one: Neighbours, other: Neighbours) -> bool:
    return np.array_equal(one.images, other.images) and np.array_equal(one.cosines, other.cosines)


def test_searching_every_cell_is_exact(tmp_path: Path) -> None:
    """Compared with the full matrix product."""
    rows = _rows(600)
    index = _index(rows, tmp_path)
    units = index.vectors.take(np.arange(600))
    cosines = units.astype(np.float64) @ units.T
    np.fill_diagonal(cosines, -2)
    expected = np.sort(cosines, axis=1)[:, ::-1][:, :COUNT]

    found = SelfJoin(index, index.cells, COUNT).run(tmp_path / "join")

    assert np.allclose(expected, found.cosines, atol=1e-5)
    assert np.allclose(expected, np.take_along_axis(cosines, found.images, axis=1), atol=1e-5)


@pytest.mark.usefixtures("small_cells")
def test_the_chosen_number_of_cells_reaches_the_target_recall(tmp_path: Path) -> None:
    """With far fewer than all cells, but more than one."""
    index = _index(_rows(), tmp_path)
    wanted = choose_probe_count(index, COUNT, 0.95)

    found = SelfJoin(index, wanted, COUNT).run(tmp_path / "join")
    alone = SelfJoin(index, 1, COUNT).run(tmp_path / "alone")

    assert 1 < wanted < index.cells / 2
    assert measure_recall(index, found, COUNT) >= 0.95
    assert measure_recall(index, alone, COUNT) < 0.9


@pytest.mark.usefixtures("small_cells")
def test_the_result_does_not_depend_on_threads_or_blocks(tmp_path: Path) -> None:
    """One thread and one block, or four threads and seven blocks: the same cells, rows and neighbours."""
    rows = _rows()
    first, second = FaissSearcher(threads=1), FaissSearcher(threads=4)
    one = _index(rows, tmp_path / "one", first, blocks=1)
    four = _index(rows, tmp_path / "four", second, blocks=7)

    assert np.array_equal(one.centroids, four.centroids)
    assert one.vectors_path.read_bytes() == four.vectors_path.read_bytes()
    assert _same(
        SelfJoin(one, 6, COUNT).run(tmp_path / "a"),
        SelfJoin(four, 6, COUNT).run(tmp_path / "b"),
    )


@pytest.mark.usefixtures("small_cells")
def test_a_resumed_join_reuses_its_checkpoints(tmp_path: Path) -> None:
    """Of 15 pieces, 5 are missing: only those are computed, and the result is the same."""
    index = _index(_rows(), tmp_path)
    before = SelfJoin(index, 6, COUNT).run(tmp_path / "join")
    pieces = sorted((tmp_path / "join").glob("*.npz"))
    for piece in pieces[::3]:
        piece.unlink()
    untouched = [piece.stat().st_mtime_ns for piece in pieces if piece.exists()]

    after = SelfJoin(index, 6, COUNT).run(tmp_path / "join")

    assert 15 == len(pieces)
    assert _same(before, after)
    assert untouched == [piece.stat().st_mtime_ns for at, piece in enumerate(pieces) if at % 3]


@pytest.mark.usefixtures("small_cells")
def test_damaged_checkpoints_are_computed_again(tmp_path: Path) -> None:
    """With a flipped bit in any file, or two pieces swapped, the result is the same."""
    before = SelfJoin(_index(_rows(), tmp_path), 6, COUNT).run(tmp_path / "join")
    first, second, *others = sorted((tmp_path / "join").glob("*.npz"))
    for path in (*others[:3], *tmp_path.glob("*.npy")):
        content = bytearray(path.read_bytes())
        content[-40] ^= 1
        path.write_bytes(content)
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)

    assert _same(before, SelfJoin(_index(_rows(), tmp_path), 6, COUNT).run(tmp_path / "join"))


@pytest.mark.usefixtures("small_cells")
def test_masks_restrict_queries_and_candidates(tmp_path: Path) -> None:
    """Even images are queries, odd ones are candidates."""
    index = _index(_rows(), tmp_path)
    even = np.arange(3_000) % 2 == 0

    found = SelfJoin(index, 6, COUNT, queries=even, candidates=~even).run(tmp_path / "join")

    assert (found.images[~even] == -1).all()
    assert (found.images[even] % 2 == 1).all()


def test_an_image_is_never_its_own_neighbour_even_among_equals(tmp_path: Path) -> None:
    """Ten equal rows: each finds at most the nine others; the rest is padding."""
    index = _index(np.repeat(_rows(20)[:1], 10, axis=0), tmp_path)

    found = SelfJoin(index, index.cells, 12).run(tmp_path / "join")

    assert all(image not in others for image, others in enumerate(found.images.tolist()))
    assert (found.images[:, :8] >= 0).all()
    assert (found.images[:, 9:] == -1).all()


def test_true_neighbours_are_limited_to_candidates(tmp_path: Path) -> None:
    """Compared with the full matrix product."""
    rows = _rows(400)
    index = _index(rows, tmp_path)
    odd = np.arange(400) % 2 == 1
    units = index.vectors.take(np.arange(400)).astype(np.float64)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    cosines[:, ~odd] = -2
    images = np.array([3, 44, 399])

    found, _ = true_neighbours(index, images, 5, odd)

    expected = np.argsort(-cosines[images], axis=1)[:, :5]
    assert expected.tolist() == found.tolist()


@pytest.mark.usefixtures("small_cells")
def test_torch_and_faiss_find_the_same_neighbours(tmp_path: Path) -> None:
    """The code for GPUs, run on a CPU: the same cells and neighbours, and cosines up to rounding."""
    from triptych.grouping.neighbours.torch_search import TorchSearcher

    rows, torch_on_cpu = _rows(), TorchSearcher("cpu")
    by_faiss, by_torch = _index(rows, tmp_path / "faiss"), _index(rows, tmp_path / "torch", torch_on_cpu)
    odd = np.arange(3_000) % 2 == 1

    ours = SelfJoin(by_faiss, 6, COUNT, candidates=odd).run(tmp_path / "a")
    theirs = SelfJoin(by_torch, 6, COUNT, candidates=odd).run(tmp_path / "b")

    assert by_faiss.vectors_path.read_bytes() == by_torch.vectors_path.read_bytes()
    assert (ours.images == theirs.images).mean() > 0.999
    assert np.allclose(ours.cosines, theirs.cosines, atol=1e-6)


def test_torch_pads_rows_with_too_few_neighbours(tmp_path: Path) -> None:
    """Five images, eight columns: four neighbours each, then padding."""
    from triptych.grouping.neighbours.torch_search import TorchSearcher

    searcher = TorchSearcher("cpu")
    index = _index(_rows(20)[:5], tmp_path, searcher)

    found = SelfJoin(index, index.cells, COUNT).run(tmp_path / "join")

    assert [4] * 5 == (found.images >= 0).sum(axis=1).tolist()


def test_a_missing_gpu_is_a_one_line_error(tmp_path: Path) -> None:
    """The error names the setting, what was found, and what to do."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SetupError) as raised:
        open_searcher("cuda", 0)

    assert "sets.device is cuda, but torch finds no GPU; set it to auto or cpu" == str(raised.value)
