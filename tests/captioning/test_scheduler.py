"""How many requests are made ahead of the engine, and what becomes of a group."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.support.contexts import JOBS
from triptych.captioning.answer_check import AnswerCheck
from triptych.captioning.backlog import Group
from triptych.captioning.engine import CaptionRequest, Completion
from triptych.captioning.scheduler import JobRequests, Scheduler
from triptych.errors import UnreadableImageError
from triptych.languages import LANGUAGES
from triptych.records import ImageRecord
from triptych.runs.plan import Target

TEXT = "A red kite flies over a sandy beach, and two people in coats look up at it."
GROUPS = 40
IMAGE_BYTES = 600 * 1024


class Waiting:
    """An engine that answers when it is let."""

    group_size, concurrency, slots = 1, 16, 16

    def __init__(self) -> None:
        self.identity: dict[str, str] = {}
        self.may_answer = threading.Event()

    def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
        self.may_answer.wait()
        return [Completion(id=request.id, text=f" {TEXT}\n", finish_reason="stop") for request in requests]

    def slot_s(self) -> float:
        return 0.0

    def describe(self) -> str:
        return "waiting"

    def close(self) -> None:
        pass


def groups(count: int) -> Iterator[Group]:
    """Of one image each."""
    for number in range(count):
        target = Target(id=f"single_en:{number}", images=(ImageRecord(key=str(number)),))
        yield Group(job=JOBS["single_en"], shard="s", targets=(target,), missing=frozenset({target.id}))


def request(group: Group, target: Target) -> CaptionRequest:
    """As large as a request of eight tiles."""
    return CaptionRequest(id=target.id, prompt="Describe.", images=(bytes(IMAGE_BYTES),), max_tokens=9)


def job_requests(**settings: object) -> JobRequests:
    """Of single_en."""
    return JobRequests(
        **{"request": request, "smaller": request, "check": AnswerCheck(language=LANGUAGES["en"]), **settings}
    )


def test_requests_in_memory_are_bounded_in_bytes() -> None:
    """Two of 0.6 MiB, and what other cores were making; the next are made when those are done."""
    engine, made = Waiting(), []

    def counted(group: Group, target: Target) -> CaptionRequest:
        made.append(target.id)
        return request(group, target)

    scheduler = Scheduler(
        groups(GROUPS), job_requests(request=counted, max_request_mib=1), engine, threading.Event()
    )
    batches = scheduler.finished()
    releaser = threading.Timer(0.5, lambda: (while_full.append(len(made)), engine.may_answer.set()))
    while_full: list[int] = []
    releaser.start()
    finished = [each for batch in batches for each in batch]
    releaser.join()

    assert 2 <= while_full[0] <= 1 + len(os.sched_getaffinity(0))
    assert GROUPS == len(made) == len(finished)


def test_a_group_ends_as_a_row_for_each_target_that_was_missing() -> None:
    """Text without the whitespace around it; an image that can't be read is a failure."""
    engine = Waiting()
    engine.may_answer.set()

    def one_unreadable(group: Group, target: Target) -> CaptionRequest:
        if target.id == "single_en:1":
            raise UnreadableImageError("unreadable image: 1: cut short")
        return request(group, target)

    scheduler = Scheduler(groups(3), job_requests(request=one_unreadable), engine, threading.Event())
    rows = {row.id: row for batch in scheduler.finished() for each in batch for row in each.rows}

    assert {"single_en:0": TEXT, "single_en:1": "", "single_en:2": TEXT} == {
        identifier: row.text for identifier, row in rows.items()
    }
    assert "unreadable image: 1: cut short" == rows["single_en:1"].failure


@pytest.mark.parametrize(
    ("finish_reason", "kept"), [("length", "一只红色的"), ("stop", "一只红色的 \ufffd\ufffd")]
)
def test_half_a_character_at_the_token_limit_is_left_off(finish_reason: str, kept: str) -> None:
    """Tokens are bytes to some models; elsewhere it is what the model said, for the filter to judge."""

    class Cut(Waiting):
        def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
            text = "一只红色的 \ufffd\ufffd\n"
            return [Completion(id=each.id, text=text, finish_reason=finish_reason) for each in requests]

    scheduler = Scheduler(groups(1), job_requests(), Cut(), threading.Event())
    (row,) = (row for batch in scheduler.finished() for each in batch for row in each.rows)

    assert kept == row.text


def test_what_an_engine_raises_is_raised_when_the_others_have_ended() -> None:
    """So that what they brought can be written."""

    class Failing(Waiting):
        def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
            if requests[0].id == "single_en:0":
                time.sleep(0.5)
                raise RuntimeError("no server any more")
            return super().caption(requests)

    engine = Failing()
    engine.may_answer.set()
    found: list[str] = []
    with pytest.raises(RuntimeError, match="no server any more"):
        for batch in Scheduler(groups(4), job_requests(), engine, threading.Event()).finished():
            found += [row.id for each in batch for row in each.rows]

    assert {"single_en:1", "single_en:2", "single_en:3"} == set(found)
