"""The strata over which a sample is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.checked_run import Checked, answer, denies_red
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.small_run import SETS, make_small_run
from triptych.records import target_of
from triptych.report.samples import NOT_CHECKED, Strata, even_singles, sample_sets
from triptych.runs.sampling import drawn_rank

TEXT = "Image-1: A dog. Image-2: A red cat."


def test_without_checks_the_stratum_of_a_set_is_its_size(tmp_path: Path) -> None:
    checked = Checked(make_small_run(tmp_path), {"multi_en": TEXT})
    strata = Strata(checked.context, checked.context.jobs)

    assert [(2,), (5,)] == [strata.of("set_of_two", 2), strata.of("set_of_five", 5)]


def test_the_stratum_of_a_checked_caption_depends_on_its_least_likely_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If enough captions were checked, only those are drawn, because the checker's answers are of no use for
    others."""
    texts = {"single_en": lambda number: "A red house." if number == 3 else "A house."}
    checked = Checked(make_small_run(tmp_path), texts)
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint, captions=9)
    strata = Strata(checked.context, checked.context.jobs)
    keys = [
        target_of(each.id)
        for _, targets in checked.context.plan(checked.context.jobs[0]).shards()
        for each in targets
    ]
    keys.sort(key=drawn_rank)

    assert {(1, NOT_CHECKED)} == {strata.of(key) for key in keys[9:]}

    monkeypatch.setattr("triptych.report.samples.LEAST_CHECKED", 9)
    denied = {target_of(row.caption) for row in checked.rows("single_en") if row.answer == "no"}
    assert 9 == sum(strata.of(key) is not None for key in keys)
    assert [(1, 3 if key in denied else 0) for key in keys[:9]] == [strata.of(key) for key in keys[:9]]
    assert {None} == {strata.of(key) for key in keys[9:]}


def test_an_image_whose_caption_was_rejected_before_the_checks_may_be_drawn(tmp_path: Path) -> None:
    """Otherwise sets with bad captions would never be reviewed."""
    checked = Checked(make_small_run(tmp_path), {"single_en": "A house."})
    keys = [
        target_of(each.id)
        for _, targets in checked.context.plan(checked.context.jobs[0]).shards()
        for each in targets
    ]
    first = min(keys, key=drawn_rank)
    checked.caption({"single_en": "A house."}, reject=f"single_en:{first}")
    with ScriptedEndpoint(lambda asked: answer("yes")) as endpoint:
        checked.check(endpoint, captions=3)

    assert (1, NOT_CHECKED) == Strata(checked.context, checked.context.jobs).of(first)


def test_sets_are_drawn_evenly_over_their_strata(tmp_path: Path) -> None:
    """If there are few, all are drawn."""
    checked = Checked(make_small_run(tmp_path), {"multi_en": TEXT})
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)

    drawn = sample_sets(checked.context, 0.5, 0.9).sets
    assert {"even"} == {how for _, how in drawn}
    assert len(SETS) == len(drawn)


def test_the_number_of_images_to_draw_depends_on_the_jobs() -> None:
    """With the four jobs of the seed, a reader sees 200 captions; with one job, more images are drawn."""
    from tests.support.contexts import JOBS

    four = [JOBS[name] for name in ("single_en", "single_zh", "multi_en", "multi_zh")]
    assert [60, 150, 110] == [even_singles(four), even_singles(four[:1]), even_singles([four[0], four[2]])]
