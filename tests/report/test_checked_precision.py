"""A precision that a checker's answers make narrower."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.support.checked_run import Checked, denies_red
from tests.support.made_up_run import make_up_run
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.small_run import SmallRun
from triptych.filtering.human_overrides import HumanOverrides
from triptych.report.checked_precision import corrected, corrected_by_checks, verdicts_for
from triptych.runs.folder import RunFolder
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text
from triptych.runs.jsonl import write_jsonl
from triptych.runs.shares import wilson_interval


def drawn(seed: int, share: float, finds: float, denies: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    good = rng.random(2000) < share
    return good, np.where(good, rng.random(2000) >= denies, rng.random(2000) >= finds).astype(float)


def test_a_good_checker_narrows_the_interval_by_a_fifth_and_more() -> None:
    """It holds the true share of all that were checked."""
    good, said = drawn(1, 0.9, 0.85, 0.05)
    helped = corrected(good[:200].tolist(), said[:200].tolist(), said)
    low, high = wilson_interval(int(good[:200].sum()), 200)

    assert helped is not None
    assert helped.low < good.mean() < helped.high
    assert helped.high - helped.low < 0.8 * (high - low)
    assert helped.worth > 200 / 0.8**2


def test_a_checker_that_guesses_changes_nothing_much() -> None:
    """It gets hardly any weight."""
    good, _ = drawn(2, 0.9, 0.5, 0.5)
    said = np.random.default_rng(3).random(2000)
    helped = corrected(good[:200].tolist(), said[:200].tolist(), said)

    assert helped is not None
    assert helped.share == pytest.approx(good[:200].mean(), abs=0.02)
    assert 200 <= helped.worth < 215


def test_a_checker_that_is_always_off_is_corrected() -> None:
    """It denies three good captions in ten."""
    good, said = drawn(4, 0.95, 0.9, 0.3)
    helped = corrected(good[:300].tolist(), said[:300].tolist(), said)

    assert said.mean() < 0.7
    assert helped is not None
    assert helped.low < good.mean() < helped.high


@pytest.mark.parametrize("said", [[1.0] * 100, [0.2] * 100])
def test_a_checker_that_says_the_same_of_all_is_left_out(said: list[float]) -> None:
    """Wilson's interval stays."""
    good = [True] * 90 + [False] * 10
    helped = corrected(good, said, said * 20)

    assert helped is not None
    assert (0.9, *wilson_interval(90, 100)) == (helped.share, helped.low, helped.high)


def test_all_good_has_wilsons_interval() -> None:
    """There is nothing to correct by."""
    helped = corrected([True] * 60, [1.0] * 50 + [0.0] * 10, [1.0] * 900 + [0.0] * 100)

    assert helped is not None
    assert wilson_interval(60, 60) == (helped.low, helped.high)


def test_captions_that_were_judged_count_once() -> None:
    """Where nearly all that were checked were judged, the checker adds nearly nothing; where all, nothing."""
    rng = np.random.default_rng(4)
    good = rng.random(200) < 0.8
    said = np.where(rng.random(200) < 0.05, ~good, good).astype(float)

    holds = corrected(good.tolist(), said.tolist(), said)
    nearly = corrected(good[:190].tolist(), said[:190].tolist(), said)

    assert holds is not None and nearly is not None
    assert wilson_interval(int(good.sum()), 200) == (holds.low, holds.high)
    assert nearly.worth < 1.1 * 190


def test_few_verdicts_are_not_corrected() -> None:
    """They say too little of the checker."""
    assert corrected([True] * 29, [1.0] * 29, [1.0] * 500) is None


@pytest.mark.parametrize(("share", "half_width", "expected"), [(0.9, 0.05, 140), (0.5, 0.05, 381)])
def test_how_many_verdicts_an_interval_needs(share: float, half_width: float, expected: int) -> None:
    """The fewest."""
    found = verdicts_for(share, half_width)
    low, high = wilson_interval(share * found, found)

    assert found == pytest.approx(expected, abs=2)
    assert (high - low) / 2 <= half_width
    assert verdicts_for(share, half_width, worth_a_verdict=2.0) == pytest.approx(found / 2, abs=1)


def apply_verdicts(run: RunFolder, said: list[HumanVerdict]) -> None:
    """As `triptych filter --verdicts` does."""
    people = HumanOverrides(said, "")
    for shard in run.shards():
        for each in run.captions("single_en", shard):
            people.match(each.id, each.text)
        path = run.verdicts_file("single_en", shard)
        write_jsonl(path, [people.override(each) for each in run.verdicts("single_en", shard)])


def test_checks_of_a_run_correct_its_precision(tmp_path: Path) -> None:
    """Of 80 kept captions, of which 40 are judged: the bad ones have something red. On another text than the
    caption has now, or drawn because its kind is rare, a verdict doesn't count."""
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
