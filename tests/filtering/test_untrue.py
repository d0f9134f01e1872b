"""Verdicts that follow from a checker's answers, and from the agreement of several answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.support.checked_run import Checked, answer, denies_red, words
from tests.support.scripted_endpoint import Asked, Reply, ScriptedEndpoint
from tests.support.small_run import make_small_run
from triptych.errors import SetupError, UsageError
from triptych.filtering.config import FilteringConfig
from triptych.filtering.stage import FilterStage
from triptych.records import Verdict
from triptych.runs.folder import StageState
from triptych.runs.human_verdicts import HumanVerdict, digest_of_text
from triptych.runs.journal import JournalWriter
from triptych.runs.ledger import recount

PLACES = ("harbour", "market", "forest path", "railway yard", "courtyard", "riverbank", "playground")
THINGS = ("bicycle", "fountain", "ladder", "bench", "wheelbarrow", "kiosk", "statue", "scooter", "crate")


def caption(number: int) -> str:
    """A caption. Every third one mentions something red, which the checker denies."""
    colour = "red" if number % 3 == 0 else "blue"
    one, other = THINGS[number % 9], THINGS[(number * 4 + 5) % 9]
    return (
        f"Morning light falls on a quiet {PLACES[number % 7]} where a {one} leans next to number {number}."
        f" Behind it stands a {colour} {other}, half hidden by tall grass."
    )


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    return Checked(make_small_run(tmp_path), {"single_en": caption})


def judge(checked: Checked, **settings: object) -> list[Verdict]:
    checked.run.run_file.stages["captions"] = StageState(settings={}, finished=True)
    checked.run.fresh_stages.add("verdicts")  # the existing ones were made up
    FilterStage(checked.context, FilteringConfig(grounding=False, **settings)).write_verdicts()
    shards = checked.run.shards()
    return [verdict for shard in shards for verdict in checked.run.verdicts("single_en", shard)]


def test_a_caption_with_a_denied_statement_is_rejected(checked: Checked) -> None:
    """It is kept until captions are checked and filtered again."""
    assert [] == [each.reason for each in judge(checked) if not each.keep]
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
    rejected = [each for each in judge(checked) if not each.keep]

    assert [("untrue", 1.0)] * 5 == [(str(each.reason), each.scores["untrue"]) for each in rejected]


def test_rejected_captions_are_not_checked_again(checked: Checked) -> None:
    """Their answers still count, and the verdicts stay the same."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        before = judge(checked)
        endpoint.asked.clear()
        found = checked.check(endpoint)["single_en"]

    assert ([], 13, 5) == (endpoint.asked, found.captions, found.denied)
    assert before == judge(checked)


def test_filtering_is_refused_if_answers_of_the_checker_are_missing(checked: Checked) -> None:
    """Otherwise denied captions would be kept. The old verdicts stay, and a dry run is refused, too."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
    before = judge(checked)
    shutil.rmtree(checked.run.path / "checks")
    stage = FilterStage(checked.context, FilteringConfig(grounding=False))

    for act in (stage.write_verdicts, stage.count, lambda: stage.find(before[0].id)):
        with pytest.raises(
            SetupError, match=r"checks of single_en: answers are missing from .*; restore them"
        ):
            act()
    assert before == [v for s in checked.run.shards() for v in checked.run.verdicts("single_en", s)]


@pytest.mark.parametrize(("threshold", "rejected"), [(0.5, 0), (0.3, 5)])
def test_the_threshold_is_the_probability_that_a_statement_is_untrue(
    checked: Checked, threshold: float, rejected: int
) -> None:
    """For the statement of a caption that is most likely untrue."""

    def answer_less_certainly_on_red(asked: Asked) -> Reply:
        return answer("yes", 0.6 if "red" in words(asked) else 0.9)

    with ScriptedEndpoint(answer_less_certainly_on_red) as endpoint:
        checked.check(endpoint)

    verdicts = judge(checked, thresholds={"untrue": threshold})
    assert rejected == sum(each.reason == "untrue" for each in verdicts)


def test_an_unclear_answer_rejects_nothing(checked: Checked) -> None:
    """No statement was denied."""
    with ScriptedEndpoint(lambda asked: answer("unclear")) as endpoint:
        checked.check(endpoint)

    assert all(each.keep for each in judge(checked))


def test_a_repair_removes_denied_statements_and_keeps_the_rest(
    checked: Checked,
) -> None:
    """The model's text and the checker's answers stay, and repaired captions are counted."""
    checked.caption({"single_en": lambda number: ("A red door. " if number == 0 else "") + caption(number)})
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        verdicts = judge(checked, untrue="repair")
        endpoint.asked.clear()
        assert 13 == checked.check(endpoint)["single_en"].captions

    assert [] == endpoint.asked
    repaired = [each for each in verdicts if each.removed]
    assert [True] * 5 == [each.keep for each in repaired]
    assert all("red" not in each.text and "red" in each.removed[-1] for each in repaired)
    assert 2 == max(len(each.removed) for each in repaired)
    assert not any(each.text for each in verdicts if not each.removed)
    counts = recount(checked.run, checked.context.jobs).jobs["single_en"]
    assert (13, 5, {}) == (counts.kept, counts.repaired, counts.rejected)
    assert checked.run.run_file.stages["verdicts"].notes["single_en.repaired"] == 5


def test_a_repaired_caption_may_still_be_rejected_by_another_rule(checked: Checked) -> None:
    """Here the remaining text is too short. The caption is still among those that were checked."""
    checked.caption({"single_en": "A boat. The old red ship that lies at the pier has a crew of three."})
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        verdicts = judge(checked, untrue="repair", accepted=("too_short",))
        assert 13 == checked.check(endpoint)["single_en"].captions

    assert {("too_short", "A boat.")} == {(each.reason, each.text) for each in verdicts}
    assert 0 == recount(checked.run, checked.context.jobs).jobs["single_en"].repaired


def test_a_caption_of_a_set_is_rejected_if_a_repair_would_leave_an_image_out(tmp_path: Path) -> None:
    """Its text isn't changed."""
    checked = Checked(make_small_run(tmp_path), {"multi_en": "Image-1: A red dog. Image-2: A cat on a mat."})
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
        settings = StageState(settings={}, finished=True)
        checked.run.run_file.stages["captions"] = settings
        checked.run.fresh_stages.add("verdicts")
        config = FilteringConfig(grounding=False, untrue="repair", rules=("untrue",), accepted=("untrue",))
        FilterStage(checked.context, config).write_verdicts()

    verdicts = [v for shard in checked.run.shards() for v in checked.run.verdicts("multi_en", shard)]
    assert {("untrue", "", ())} == {(each.reason, each.text, each.removed) for each in verdicts}


def test_peoples_verdicts_override_repairs(checked: Checked, tmp_path: Path) -> None:
    """If a person has corrected the repaired text, the correction counts."""
    with ScriptedEndpoint(denies_red) as endpoint:
        checked.check(endpoint)
    repaired = [each for each in judge(checked, untrue="repair") if each.removed]
    human_verdicts = [
        HumanVerdict(
            report="r", kind="single_en", job="single_en", key=each.id.partition(":")[2], drawn="even",
            verdict=verdict, text=text, of=digest_of_text(of),
        )
        for each, verdict, text, of in (
            (repaired[0], "bad", "", repaired[0].text),
            (repaired[1], "good", "A ship.", repaired[1].text),
        )
    ]  # fmt: skip
    path = tmp_path / "verdicts.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, human_verdicts)))
    found = {each.id: each for each in judge(checked, untrue="repair", verdicts=str(path))}

    assert (False, "people") == (found[repaired[0].id].keep, found[repaired[0].id].reason)
    assert (True, "A ship.", ()) == (
        found[repaired[1].id].keep,
        found[repaired[1].id].text,
        found[repaired[1].id].removed,
    )


def test_repairing_and_only_flagging_untrue_captions_is_refused() -> None:
    with pytest.raises(UsageError, match=r"filtering\.flags has untrue"):
        FilteringConfig(untrue="repair", flags=("untrue",))


@pytest.mark.parametrize(("threshold", "rejected"), [(1.0, 0), (0.6, 5)])
def test_captions_that_agree_little_with_other_answers_are_rejected_only_with_a_threshold(
    checked: Checked, threshold: float, rejected: int
) -> None:
    """The default threshold rejects none. A caption without other answers is never rejected."""
    agreements = iter([None, 0.9, *5 * [0.3], *6 * [0.9]])
    for shard in checked.run.shards():
        captions = list(checked.run.captions("single_en", shard))
        path = checked.run.captions_file("single_en", shard)
        path.unlink(missing_ok=True)
        with JournalWriter(path) as journal:
            journal.commit([msgspec.structs.replace(each, agreement=next(agreements)) for each in captions])

    verdicts = judge(checked, thresholds={"uncertain": threshold}, accepted=("uncertain",))
    assert rejected == sum(each.reason == "uncertain" for each in verdicts)
