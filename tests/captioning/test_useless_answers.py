"""Jobs without a useful answer stop early, and failures caused by the endpoint are asked for again."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.made_up_run import make_up_run
from tests.support.scripted_endpoint import (
    CAPTION,
    Asked,
    Reply,
    ScriptedEndpoint,
    delta,
    events,
    refuse,
    say,
    well,
)
from tests.support.small_run import PLANNED, SmallRun
from triptych.captioning.config import CaptioningConfig
from triptych.captioning.endpoints.model_client import TRIAL_TOKENS
from triptych.captioning.engines.config import ServerConfig
from triptych.captioning.scheduler import FinishedGroup
from triptych.captioning.useless_answers import Streak, stop_where_useless
from triptych.errors import SetupError
from triptych.records import Caption
from triptych.runs.folder import RunFolder


def config(endpoint: ScriptedEndpoint, *jobs: str, **settings: Any) -> CaptioningConfig:
    """Small requests, and little patience."""
    return CaptioningConfig(
        server=ServerConfig(urls=(endpoint.url,)),
        jobs=jobs or ("single_en",),
        tile_px=112,
        max_tiles=1,
        patience_s=1.0,
        max_attempts=1,
        **settings,
    )


def is_trial(asked: Asked) -> bool:
    """Whether a request is a trial, about a picture of Triptych's own."""
    return asked.body["max_tokens"] == TRIAL_TOKENS


def counts(run: SmallRun) -> tuple[int, int]:
    """The number of captions and of failures in the journals."""
    failures = [row.failure is not None for row in run.rows().values()]
    return failures.count(False), failures.count(True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (say(""), "the answer has no text"),
        (say("\u200b \ufeff"), "the answer has no text"),
        (say("<think>A kite, or is it a bird?</think>"), "what the model thinks"),
        (say("<think>A kite, or is it", "length"), "what the model thinks"),
        (say("I'm sorry, I can't see any image in our conversation."), "refusal: \"I'm sorry"),
        (say("画面中有一只红色的风筝飘在麦田上方，远处还有几棵树和一座小房子。"), "wrong language"),
        (say("A kite. " * 40, "length"), "loop"),
        (Reply(200, [events(delta(reasoning_content=CAPTION), delta("stop"))]), "without a reasoning parser"),
        (Reply(200, [events(delta(reasoning=CAPTION), delta("length"))]), "used up all tokens"),
        (refuse(400, "cannot identify image file"), "cannot identify image file"),
    ],
)
def test_a_job_without_a_useful_answer_ends_the_run(small_run: SmallRun, answer: Reply, words: str) -> None:
    """Even with only 13 targets. Nothing counts as a caption, and the same command asks for all again."""
    with ScriptedEndpoint(lambda asked: well(asked) if is_trial(asked) else answer) as endpoint:
        with pytest.raises(SetupError) as raised:
            small_run.caption(config(endpoint))
        assert words in str(raised.value)
        assert 0 == counts(small_run)[0]
        endpoint.chat = well
        small_run.caption(config(endpoint))

    assert (PLANNED["single_en"], 0) == counts(small_run)


def test_useless_answers_are_recorded_when_the_job_stops(small_run: SmallRun) -> None:
    """They become failures that quote them, and so do those that were in flight."""
    with ScriptedEndpoint() as endpoint:
        words = [f"I'm sorry, I can't see image {number}." for number in range(99)]
        left = iter(words)
        endpoint.chat = lambda asked: well(asked) if is_trial(asked) else say(next(left))
        with pytest.raises(SetupError, match="not one of"):
            small_run.caption(config(endpoint, ask_again=1, max_in_flight=4))

    failures = [row.failure or "" for row in small_run.rows().values()]
    assert PLANNED["single_en"] == len(failures)
    assert all(failure.startswith("refusal: \"I'm sorry") for failure in failures)


def test_useless_answers_are_recorded_when_the_endpoint_breaks_down(small_run: SmallRun) -> None:
    """The run ends with the endpoint's error, but they are not lost."""
    with ScriptedEndpoint() as endpoint:
        sorry, ends = say("I'm sorry, I can't help with that."), refuse(503, "down")
        endpoint.chat = lambda asked: sorry if len(endpoint.asked) < 8 or is_trial(asked) else ends
        with pytest.raises(SetupError, match="down"):
            small_run.caption(config(endpoint, ask_again=1, max_in_flight=1))

    assert 2 <= counts(small_run)[1]


def test_one_usable_answer_makes_the_others_captions(small_run: SmallRun) -> None:
    """The filter judges them, whenever they came."""
    with ScriptedEndpoint() as endpoint:
        sorry = say("I'm sorry, I can't help with that.")
        endpoint.chat = lambda asked: well(asked) if len(endpoint.asked) == 9 else sorry
        small_run.caption(config(endpoint, ask_again=1, max_in_flight=1))

    assert (PLANNED["single_en"], 0) == counts(small_run)


def test_failures_of_the_endpoint_are_asked_for_again_by_the_same_command(small_run: SmallRun) -> None:
    """If it broke down or its limits were too low. Failures caused by an image stay."""
    faults = [refuse(500, "engine"), refuse(413, "too large"), refuse(400, "cannot identify image file")]

    def chat(asked: Asked) -> Reply:
        is_due = faults and not is_trial(asked) and len(endpoint.asked) > 3
        return faults.pop() if is_due else well(asked)

    with ScriptedEndpoint(chat) as endpoint:
        small_run.caption(config(endpoint, max_in_flight=1))
        first = counts(small_run)
        asked = len(endpoint.asked)
        assert small_run.caption(config(endpoint)) is True
        assert small_run.caption(config(endpoint)) is False

    assert (PLANNED["single_en"] - 3, 3) == first
    assert (PLANNED["single_en"] - 1, 1) == counts(small_run)
    assert 2 == len(endpoint.asked) - asked
    assert {"refused"} == {
        row.failure.partition(":")[0] for row in small_run.rows().values() if row.failure is not None
    }


LOGIN_PAGE = Reply(200, [b"<html>Please log in</html>"], {"Content-Type": "text/html"})
QUOTA_EXCEEDED = Reply(
    429, [b'{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}']
)


@pytest.mark.parametrize(
    ("fault", "affects_trials"),
    [
        (refuse(404, "model 'looker' not found, try pulling it first"), True),
        (QUOTA_EXCEEDED, True),
        (refuse(500, "CUDA error"), True),
        (LOGIN_PAGE, True),
        (refuse(400, "the model has been unloaded"), True),
        (refuse(400, "flagged by the new policy"), False),
        (refuse(403, "your input was flagged"), False),
        (say(""), True),
        (Reply(200, [events(delta(reasoning=CAPTION), delta("stop"))]), True),
    ],
    ids=lambda case: None if isinstance(case, bool) else f"{case.status}",
)
def test_an_endpoint_that_breaks_after_good_answers_stops_the_command(
    tmp_path: Path, fault: Reply, affects_trials: bool
) -> None:
    """Whether or not trials fail too. The same command then makes the missing captions."""
    made_up = make_up_run(tmp_path, 45)
    run = SmallRun(RunFolder.open(made_up.path), made_up.pile)
    with ScriptedEndpoint() as endpoint:
        endpoint.chat = lambda asked: (
            well(asked) if len(endpoint.asked) <= 10 or not (affects_trials or not is_trial(asked)) else fault
        )
        with pytest.raises(SetupError, match=r"run the same command|api_key_env"):
            run.caption(config(endpoint, max_in_flight=16, ask_again=1))
        first = counts(run)
        endpoint.chat = well
        run.caption(config(endpoint, ask_again=1))

    assert 5 < first[0] < 45
    assert (45, 0) == counts(run)


def test_repeated_failures_stay_and_do_not_stop_the_command(tmp_path: Path) -> None:
    """Even if there are enough of them to stop a job, and nothing else to ask for."""

    def chat(asked: Asked) -> Reply:
        odd = sum(json.dumps(asked.body).encode()) % 2 == 1
        return refuse(413, "too large") if odd and not is_trial(asked) else well(asked)

    made_up = make_up_run(tmp_path, 60)
    run = SmallRun(RunFolder.open(made_up.path), made_up.pile)
    with ScriptedEndpoint(chat) as endpoint:
        run.caption(config(endpoint, max_in_flight=2))
        first = counts(run)
        run.caption(config(endpoint, max_in_flight=2))

    assert first[1] > 20
    assert first == counts(run)


def test_a_folder_of_refused_images_stops_the_command_only_once(tmp_path: Path) -> None:
    """The same command then records images that are refused again as failed, and continues."""
    made_up = make_up_run(tmp_path, 80)
    run = SmallRun(RunFolder.open(made_up.path), made_up.pile)
    taken, refused = list[str](), set[str]()

    def chat(asked: Asked) -> Reply:
        if is_trial(asked):
            return well(asked)
        picture = json.dumps(asked.body["messages"])
        (taken.append if len(taken) < 10 else refused.add)(picture)
        return refuse(400, "safety system") if picture in refused else well(asked)

    with ScriptedEndpoint(chat) as endpoint:
        with pytest.raises(SetupError, match="asks for them again and goes on where they fail again"):
            run.caption(config(endpoint, max_in_flight=1))
        stopped, folder = counts(run), frozenset(refused)
        endpoint.chat = lambda asked: (
            refuse(400, "safety system") if json.dumps(asked.body["messages"]) in folder else well(asked)
        )
        run.caption(config(endpoint, max_in_flight=1))

    assert (10, len(folder)) == stopped
    assert (80 - len(folder), len(folder)) == counts(run)


@pytest.mark.parametrize(("at_a_time", "stops"), [(1, True), (64, False)])
def test_refusals_that_overtake_captions_do_not_stop_the_job(at_a_time: int, stops: bool) -> None:
    """Of 64 requests in flight, 30 may be refused before the first caption. One at a time, they stop it."""

    def finished(number: int, **what: Any) -> FinishedGroup:
        row = Caption(id=f"single_en:{number}", job="single_en", **what)
        return FinishedGroup(group=None, rows=[row], answers=[], took_s=0.0)

    refused = [finished(number, failure="refused: by the policy") for number in range(30)]
    batches = iter([refused, [finished(30, text=CAPTION)]])
    given = stop_where_useless(batches, "single_en", threading.Event(), at_a_time=at_a_time)
    with pytest.raises(SetupError, match="not one of 30") if stops else contextlib.nullcontext():
        assert 31 == sum(map(len, given))


def failed(numbers: Iterable[int]) -> list[FinishedGroup]:
    rows = [Caption(id=f"single_en:{n}", job="single_en", failure="refused: by the policy") for n in numbers]
    return [FinishedGroup(group=None, rows=[row], answers=[], took_s=0.0) for row in rows]


def test_useless_answers_are_counted_over_all_units_of_a_job() -> None:
    """A few in each of many units stop the job, like many in a row."""
    streak, stopping, given = Streak(), threading.Event(), []
    with pytest.raises(SetupError, match="not one of 21"):
        for start in range(0, 700, 7):
            unit = iter([failed(range(start, start + 7))])
            given += stop_where_useless(unit, "single_en", stopping, streak=streak, is_part=True)

    assert 21 == sum(map(len, given))


def test_a_unit_without_a_caption_does_not_stop_the_job() -> None:
    """Other units of the job may have some."""
    streak = Streak(has_captions=False)
    unit = iter([failed([0])])
    given = [*stop_where_useless(unit, "single_en", threading.Event(), streak=streak, is_part=True)]

    assert ["refused: by the policy"] == [
        row.failure for batch in given for each in batch for row in each.rows
    ]


def test_failures_among_captions_are_attributed_to_the_images(small_run: SmallRun) -> None:
    """They are recorded, including the last ones of a job."""
    with ScriptedEndpoint() as endpoint:
        bad = refuse(400, "cannot identify image file")
        endpoint.chat = lambda asked: (
            bad if not is_trial(asked) and len(endpoint.asked) % 4 == 0 else well(asked)
        )
        small_run.caption(config(endpoint, max_in_flight=1))
        failed = counts(small_run)[1]
        small_run.caption(config(endpoint))

    assert 0 < failed == counts(small_run)[1]


def test_an_endpoint_limited_to_one_image_stops_a_job_on_sets_at_once(small_run: SmallRun) -> None:
    """The error quotes the server and says how to start it. Single images are captioned."""

    def one_image(asked: Asked) -> Reply:
        return well(asked) if asked.images == 1 else refuse(400, "At most 1 image(s) may be provided.")

    with ScriptedEndpoint(one_image) as endpoint:
        with pytest.raises(SetupError, match=r"At most 1 image.*--limit-mm-per-prompt"):
            small_run.caption(config(endpoint, "multi_en", "single_en"))
        small_run.caption(config(endpoint, "single_en"))

    assert (PLANNED["single_en"], 0) == counts(small_run)
