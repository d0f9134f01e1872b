"""The scheduler: how many requests are built in advance, and the rows of a group."""

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


class BlockedEngine:
    """An engine that answers once ``may_answer`` is set."""

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
    """``count`` groups of one image each."""
    for number in range(count):
        target = Target(id=f"single_en:{number}", images=(ImageRecord(key=str(number)),))
        yield Group(job=JOBS["single_en"], shard="s", targets=(target,), missing=frozenset({target.id}))


def request(group: Group, target: Target) -> CaptionRequest:
    """A request as large as one with eight tiles."""
    return CaptionRequest(id=target.id, prompt="Describe.", images=(bytes(IMAGE_BYTES),), max_tokens=9)


def job_requests(**settings: object) -> JobRequests:
    """The JobRequests of single_en, with these settings."""
    return JobRequests(
        **{"request": request, "smaller": request, "check": AnswerCheck(language=LANGUAGES["en"]), **settings}
    )


def test_requests_in_memory_are_bounded_in_bytes() -> None:
    """Two of 0.6 MiB, and those that other cores are building. The next ones wait until these are done."""
    engine, made = BlockedEngine(), []

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


def test_a_group_yields_a_row_for_each_missing_target() -> None:
    """Its text is stripped. An unreadable image is a failure."""
    engine = BlockedEngine()
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
def test_half_a_character_at_the_token_limit_is_removed(finish_reason: str, kept: str) -> None:
    """Some models' tokens are bytes. If the model ended the text by itself, the filter judges it."""

    class CutEngine(BlockedEngine):
        def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
            text = "一只红色的 \ufffd\ufffd\n"
            return [Completion(id=each.id, text=text, finish_reason=finish_reason) for each in requests]

    scheduler = Scheduler(groups(1), job_requests(), CutEngine(), threading.Event())
    (row,) = (row for batch in scheduler.finished() for each in batch for row in each.rows)

    assert kept == row.text


def test_an_engine_error_is_raised_after_the_other_requests_have_ended() -> None:
    """So that their captions can be written."""

    class FailingEngine(BlockedEngine):
        def caption(self, requests: Sequence[CaptionRequest]) -> list[Completion]:
            if requests[0].id == "single_en:0":
                time.sleep(0.5)
                raise RuntimeError("no server any more")
            return super().caption(requests)

    engine = FailingEngine()
    engine.may_answer.set()
    found: list[str] = []
    with pytest.raises(RuntimeError, match="no server any more"):
        for batch in Scheduler(groups(4), job_requests(), engine, threading.Event()).finished():
            found += [row.id for each in batch for row in each.rows]

    assert {"single_en:1", "single_en:2", "single_en:3"} == set(found)
