"""A checker's answers narrow the interval of a precision."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.support.checked_run import Checked, denies_red
from tests.support.made_up_run import make_up_run
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.small_run import SmallRun
from triptych.filtering.human_overrides import HumanOverrides
from triptych.report.precision import corrected, corrected_by_checks, verdicts_for
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text
from triptych.runs.jsonl import write_jsonl
from triptych.runs.sampling import wilson_interval


def drawn(
    seed: int, share: float, detection_rate: float, false_denial_rate: float
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    good = rng.random(2000) < share
    return good, np.where(
        good, rng.random(2000) >= false_denial_rate, rng.random(2000) >= detection_rate
    ).astype(float)


def test_a_good_checker_narrows_the_interval_by_at_least_a_fifth() -> None:
    """The interval contains the true share over all checked captions."""
    good, answers = drawn(1, 0.9, 0.85, 0.05)
    estimate = corrected(good[:200].tolist(), answers[:200].tolist(), answers)
    low, high = wilson_interval(int(good[:200].sum()), 200)

    assert estimate is not None
    assert estimate.low < good.mean() < estimate.high
    assert estimate.high - estimate.low < 0.8 * (high - low)
    assert estimate.worth > 200 / 0.8**2


def test_a_checker_that_guesses_changes_little() -> None:
    """Its answers get almost no weight."""
    good, _ = drawn(2, 0.9, 0.5, 0.5)
    answers = np.random.default_rng(3).random(2000)
    estimate = corrected(good[:200].tolist(), answers[:200].tolist(), answers)

    assert estimate is not None
    assert estimate.share == pytest.approx(good[:200].mean(), abs=0.02)
    assert 200 <= estimate.worth < 215


def test_the_bias_of_a_checker_is_corrected() -> None:
    """It denies three of ten good captions."""
    good, answers = drawn(4, 0.95, 0.9, 0.3)
    estimate = corrected(good[:300].tolist(), answers[:300].tolist(), answers)

    assert answers.mean() < 0.7
    assert estimate is not None
    assert estimate.low < good.mean() < estimate.high


@pytest.mark.parametrize("answers", [[1.0] * 100, [0.2] * 100])
def test_a_checker_with_the_same_answer_to_all_captions_is_ignored(answers: list[float]) -> None:
    """The interval is Wilson's."""
    good = [True] * 90 + [False] * 10
    estimate = corrected(good, answers, answers * 20)

    assert estimate is not None
    assert (0.9, *wilson_interval(90, 100)) == (estimate.share, estimate.low, estimate.high)


def test_if_all_captions_are_good_the_interval_is_wilsons() -> None:
    """The checker's error can't be estimated then."""
    estimate = corrected([True] * 60, [1.0] * 50 + [0.0] * 10, [1.0] * 900 + [0.0] * 100)

    assert estimate is not None
    assert wilson_interval(60, 60) == (estimate.low, estimate.high)


def test_judged_captions_count_once() -> None:
    """If nearly all checked captions were judged, the checker adds almost nothing; if all were, it adds
    nothing."""
    rng = np.random.default_rng(4)
    good = rng.random(200) < 0.8
    answers = np.where(rng.random(200) < 0.05, ~good, good).astype(float)

    all_judged = corrected(good.tolist(), answers.tolist(), answers)
    nearly_all = corrected(good[:190].tolist(), answers[:190].tolist(), answers)

    assert all_judged is not None and nearly_all is not None
    assert wilson_interval(int(good.sum()), 200) == (all_judged.low, all_judged.high)
    assert nearly_all.worth < 1.1 * 190


def test_few_verdicts_are_not_corrected() -> None:
    """They don't suffice to estimate the checker's error."""
    assert corrected([True] * 29, [1.0] * 29, [1.0] * 500) is None


@pytest.mark.parametrize(("share", "half_width", "expected"), [(0.9, 0.05, 140), (0.5, 0.05, 381)])
def test_the_smallest_number_of_verdicts_for_an_interval_is_computed(
    share: float, half_width: float, expected: int
) -> None:
    """It is lower if each verdict is worth more because of a checker."""
    found = verdicts_for(share, half_width)
    low, high = wilson_interval(share * found, found)

    assert found == pytest.approx(expected, abs=2)
    assert (high - low) / 2 <= half_width
    assert verdicts_for(share, half_width, worth_a_verdict=2.0) == pytest.approx(found / 2, abs=1)


def apply_verdicts(run: RunFolder, verdicts: list[HumanVerdict]) -> None:
    """Apply people's verdicts as `triptych filter --verdicts` does."""
    people = HumanOverrides(verdicts, "")
    for shard in run.shards():
        for each in run.captions("single_en", shard):
            people.match(each.id, each.text)
        path = run.verdicts_file("single_en", shard)
        write_jsonl(path, [people.override(each) for each in run.verdicts("single_en", shard)])


def test_checks_of_a_run_correct_its_precision(tmp_path: Path) -> None:
    """40 of 80 kept captions are judged, and those with something red are bad. Verdicts on a caption that has
    changed since, or that was drawn because its kind is rare, don't count."""
    made = make_up_run(tmp_path, 80)
    small = SmallRun(RunFolder.open(made.path), made.pile)
    checked = Checked(
        small, {"single_en": lambda n: f"A {'red' if n % 4 == 0 else 'blue'} boat, number {n}."}
    )
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
    captions = [each for shard in checked.run.shards() for each in checked.run.captions("single_en", shard)]
    verdicts = [
        HumanVerdict(
            report="r",
            kind="single_en",
            key=each.id.partition(":")[2],
            job="single_en",
            verdict="bad" if "red" in each.text else "good",
            of=digest_of_text(each.text),
            drawn="even",
        )
        for each in captions[:40]
    ]

    found = corrected_by_checks(checked.context, verdicts)
    alone = wilson_interval(30, 40)

    assert found["single_en"].share == pytest.approx(0.75, abs=0.01)
    assert found["single_en"].high - found["single_en"].low < 0.8 * (alone[1] - alone[0])
    edited = [
        msgspec.structs.replace(each, text="A boat.") if each.verdict == "bad" else each for each in verdicts
    ]
    apply_verdicts(checked.run, edited)
    assert found == corrected_by_checks(checked.context, edited)
    others = [msgspec.structs.replace(each, of="another text") for each in verdicts[:20]]
    assert {} == corrected_by_checks(checked.context, [*others, *verdicts[20:]])
    rare = [msgspec.structs.replace(each, drawn="rare") for each in verdicts[:20]]
    assert {} == corrected_by_checks(checked.context, [*rare, *verdicts[20:]])
