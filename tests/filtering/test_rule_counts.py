"""A rule that rejects implausibly many captions stops the stage."""

import pytest

from tests.support.contexts import context_of
from triptych.errors import SetupError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.stage import FilterStage
from triptych.runs.folder import RunFolder

GOOD = [
    f"A {colour} boat lies beside the {place} in the morning light, and {n} gulls sit on its mast while"
    f" {n + 1} children in {colour} coats watch them from the {place} with cups of tea."
    for n, (colour, place) in enumerate(
        (colour, place)
        for colour in ("red", "blue", "green", "white", "black", "yellow")
        for place in ("pier", "beach", "bridge", "tower", "market", "garden")
    )
]


def stage(run: RunFolder, **settings: object) -> FilterStage:
    config = FilteringConfig(rules=("truncated", "too_short"), **settings)  # type: ignore[arg-type]
    return FilterStage(context_of(run, "single_en"), config)


def test_too_many_rejections_stop_the_stage_and_say_why(make_run) -> None:
    """The error has the share, a likely cause, three examples and the option to accept it. Nothing is
    written."""
    run = make_run(GOOD[:20] + ["Boat."] * 16)

    with pytest.raises(SetupError) as stopped:
        stage(run).write_verdicts()

    message = str(stopped.value)
    assert "too_short rejects 44.4% of the 36 captions of single_en" in message
    assert "a weak model" in message
    assert 3 == message.count("(score 1) 'Boat.'")
    assert "--accept too_short" in message
    assert not (run.path / "verdicts").exists()


def test_an_accepted_rule_may_reject_any_share(make_run) -> None:
    """--fresh isn't needed, because accepting doesn't change the meaning of verdicts."""
    run = make_run(GOOD[:20] + ["Boat."] * 16)
    with pytest.raises(SetupError):
        stage(run).write_verdicts()

    assert stage(run, accepted=("too_short",)).write_verdicts()

    assert 16 == sum(not verdict.keep for verdict in run.verdicts("single_en", "sa_000000"))


def test_few_captions_never_stop_the_stage(make_run) -> None:
    """The limit applies from `guarded_from` captions."""
    assert stage(make_run(["Boat."] * 5)).write_verdicts()


def test_a_dry_run_counts_and_writes_nothing(make_run) -> None:
    """It counts captions by reason, and those that each rule alone would reject."""
    run = make_run([*GOOD[:3], "Boat"])

    counts = stage(run).count()["single_en"]

    assert (4, 3, {"truncated": 1}) == (counts.captions, counts.kept, dict(counts.first))
    assert {"truncated": 1, "too_short": 1} == dict(counts.alone)
    assert not (run.path / "verdicts").exists()
