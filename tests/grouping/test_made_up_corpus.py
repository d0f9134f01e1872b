"""The corpus that benchmarks of grouping use has the properties that its docstring states."""

import numpy as np
import pytest

from tests.support.made_up_corpus import CHAIN_KIND, THEME_KIND, MadeUpCorpus, make_corpus


@pytest.fixture(scope="module")
def corpus() -> MadeUpCorpus:
    """A small corpus with every kind of group, and enough families for random pairs to be unrelated."""
    return make_corpus(20_000)


def _median_cosine(corpus: MadeUpCorpus, left: np.ndarray, right: np.ndarray) -> float:
    one, other = corpus.rows[left].astype(np.float32), corpus.rows[right].astype(np.float32)
    return float(np.median(np.einsum("ij,ij->i", one, other)))


def _neighbours_in_groups(corpus: MadeUpCorpus, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of consecutive images in groups of ``kind``, except copies."""
    order = np.lexsort((corpus.step, corpus.group))
    left, right = order[:-1], order[1:]
    wanted = (corpus.group[left] == corpus.group[right]) & (corpus.kind[left] == kind)
    wanted &= ~corpus.are_copies(left, right)
    return left[wanted], right[wanted]


def test_cosines_are_those_of_the_docstring(corpus: MadeUpCorpus) -> None:
    """Medians in themes, in chains, of copies, and of random pairs."""
    copies = np.flatnonzero(corpus.copy_of >= 0)
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, 20_000, (2, 5_000))

    medians = [
        _median_cosine(corpus, *_neighbours_in_groups(corpus, THEME_KIND)),
        _median_cosine(corpus, *_neighbours_in_groups(corpus, CHAIN_KIND)),
        _median_cosine(corpus, copies, corpus.copy_of[copies]),
        _median_cosine(corpus, *drawn),
    ]

    assert [0.80, 0.85, 0.99, 0.33] == pytest.approx(medians, abs=0.05)


def test_the_ground_truth_includes_copies_and_chains(corpus: MadeUpCorpus) -> None:
    """One in twenty is a copy; images one step apart in a chain are related, two steps apart aren't."""
    chained = np.flatnonzero((corpus.kind == CHAIN_KIND) & (corpus.copy_of < 0))
    chain = chained[corpus.group[chained] == corpus.group[chained[0]]]
    chain = chain[np.argsort(corpus.step[chain])]

    assert 1_000 == (corpus.copy_of >= 0).sum()
    assert corpus.are_related(chain[:-1], chain[1:]).all()
    assert not corpus.are_related(chain[:-2], chain[2:]).any()


def test_the_same_seed_makes_the_same_corpus() -> None:
    """Bit for bit."""
    assert np.array_equal(make_corpus(500, seed=2).rows, make_corpus(500, seed=2).rows)
