"""The labelled captions: what is wrong must go, what is right must stay, in each job."""

from collections.abc import Sequence

import pytest

from tests.support.contexts import JOBS, filter_jobs_of
from tests.support.labelled_captions import Labelled, read_labelled
from triptych.filtering.config import FilteringConfig
from triptych.filtering.rule_choice import make_scorer
from triptych.filtering.scoring import FilterJob

MIN_RECALL, MIN_KEPT = 0.97, 0.98
MIN_CERTAIN = {"multi_en": 0.4, "multi_zh": 0.35}
"""Of captions in free prose that leave an image out or name one that isn't there: the share of which that is
certain. It is measured, not aimed at (see benchmarks/results/filter_quality.json)."""
SETS = (
    "captions",
    "held_out",
    "second_held_out",
    "third_held_out",
    "fourth_held_out",
    "fifth_held_out",
    "sixth_held_out",
    "seventh_held_out",
    "eighth_held_out",
    "ninth_held_out",
    "tenth_held_out",
    "eleventh_held_out",
    "twelfth_held_out",
    "thirteenth_held_out",
    "fourteenth_held_out",
    "phrasings",
)
NAMING_FAULTS = frozenset({"missing_image", "unknown_image"})


def rejected(captions: Sequence[Labelled], jobs: Sequence[FilterJob]) -> list[bool]:
    """Which are rejected, by any rule that looks at one caption."""
    scorer = make_scorer(FilteringConfig(), jobs)
    violations = [scorer.violations(each.job, scorer.all_scores(each.input)) for each in captions]
    return [scorer.is_rejected(each.job, v) for each, v in zip(captions, violations, strict=True)]


def test_the_set_has_what_it_must() -> None:
    """600 captions, both languages, singles and sets, a hundred hard ones to keep."""
    captions = read_labelled("captions")

    assert len(captions) >= 600
    assert set(JOBS) == {caption.job for caption in captions if caption.fault}
    assert sum(caption.hard for caption in captions) >= 100


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("job", JOBS)
def test_bad_captions_go_and_good_ones_stay(job: str, name: str) -> None:
    """Recall of the bad and share of the good; without a contract, naming images is another matter."""
    captions = [c for c in read_labelled(name) if c.job == job and c.fault not in NAMING_FAULTS]
    gone = rejected(captions, filter_jobs_of(job))
    bad = [r for r, c in zip(gone, captions, strict=True) if c.fault is not None]
    good = [r for r, c in zip(gone, captions, strict=True) if c.fault is None]

    assert sum(bad) >= MIN_RECALL * len(bad)
    assert len(good) - sum(good) >= MIN_KEPT * len(good)


@pytest.mark.parametrize("job", MIN_CERTAIN)
def test_without_a_contract_what_is_certain_is_rejected(job: str) -> None:
    """Of all sets of captions together."""
    captions = [c for name in SETS for c in read_labelled(name) if c.job == job and c.fault in NAMING_FAULTS]

    assert sum(rejected(captions, filter_jobs_of(job))) >= MIN_CERTAIN[job] * len(captions)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_contract_is_checked_exactly(language: str) -> None:
    """Captions that name images as the prompt asks: recall and kept, all faults."""
    captions = read_labelled(f"contract_{language}")
    gone = rejected(captions, filter_jobs_of(f"multi_{language}", contract=True))
    bad = [r for r, c in zip(gone, captions, strict=True) if c.fault is not None]
    good = [r for r, c in zip(gone, captions, strict=True) if c.fault is None]

    assert len(captions) >= 200
    assert sum(bad) >= 0.99 * len(bad)
    assert len(good) - sum(good) >= 0.99 * len(good)


FAULTS = sorted({c.fault for c in read_labelled("captions") if c.fault} - NAMING_FAULTS - {"contradiction"})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_by_its_own_rule(fault: str) -> None:
    """For nine in ten of a class, the rule of its name is among those that are violated."""
    scorer = make_scorer(FilteringConfig(), filter_jobs_of())
    found = [
        fault in scorer.violations(each.job, scorer.all_scores(each.input))
        for each in read_labelled("captions")
        if each.fault == fault
    ]

    assert sum(found) >= 0.9 * len(found)


def test_languages_are_known_by_the_job() -> None:
    """A good English caption is wrong where Chinese was asked, and the other way round."""
    scorer = make_scorer(FilteringConfig(), filter_jobs_of())
    good = [c for c in read_labelled("captions") if c.fault is None and c.job.startswith("single")]
    turned = [c.input._replace(job="single_en" if c.job == "single_zh" else "single_zh") for c in good]

    assert all("wrong_language" in scorer.violations(t.job, scorer.all_scores(t)) for t in turned)
