"""`triptych caption` as a process against endpoints that misbehave, die and come back."""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fault_server import FaultServer
from tests.support.killing import kill_and_resume
from tests.support.made_up_run import MadeUpRun, make_up_run
from triptych.captioning.answer_check import AnswerCheck
from triptych.jobs import SEED_JOBS
from triptych.languages import LANGUAGES

IMAGES = 150
JOBS: tuple[str, ...] = ("single_en", "single_zh")
CHECKS = {job.name: AnswerCheck(language=LANGUAGES[job.language]) for job in SEED_JOBS}
MAX_LOST_SHARE = 0.02


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUpRun:
    """150 images, each of which both jobs caption."""
    return make_up_run(tmp_path, IMAGES)


@pytest.fixture
def hanging() -> Iterator[FaultServer]:
    """An endpoint that takes ten minutes per answer."""
    with FaultServer(slots=8, latency_s=600.0) as server:
        yield server


def wait_until_asked(server: FaultServer, count: int) -> None:
    while sum(server.stats().asked.values()) < count:
        time.sleep(0.05)


def test_every_request_ends_as_one_caption_or_one_failure(made_up: MadeUpRun) -> None:
    """A fifth of all requests meet a fault, and both endpoints die and come back. Hardly any good answer is
    lost. At full size: python -m benchmarks.faults."""
    deaths = ((60, 0, 1.0), (150, 1, 1.0), (240, 0, 1.0), (300, 1, 0.5))
    with FaultServer(endpoints=2, slots=16, latency_s=0.05, faults=0.2, seed=5, deaths=deaths) as server:
        process = made_up.start(server.urls, JOBS)
        _, stderr = process.communicate()
        stats = server.stats()

    rows = [row for job in JOBS for row in made_up.rows(job)]
    kept = [row for row in rows if not _defect(row.job, row.text, row.finish_reason)]
    keys = Counter(re.search("[0-9a-f]{12}", row.text).group() for row in kept)
    assert 0 == process.returncode, stderr
    assert IMAGES * len(JOBS) == len(rows) == len({row.id for row in rows})
    assert {1} == set(keys.values())
    assert keys.keys() <= stats.good.keys()
    assert sum(stats.good.values()) - len(kept) <= MAX_LOST_SHARE * sum(stats.good.values())
    assert len(stats.mishaps) > 12


def test_answers_that_stay_unusable_are_kept_with_the_reasons_for_asking_again(made_up: MadeUpRun) -> None:
    """Answers that became usable have these reasons too."""
    with FaultServer(slots=16, latency_s=0.02, faults=0.5, seed=3) as server:
        made_up.start(server.urls, ("single_en",), first_token_timeout_s=0.5).communicate()

    rows = made_up.rows("single_en")
    again = [row for row in rows if row.asked_again]
    bad = [row for row in rows if row.failure is None and _defect(row.job, row.text, row.finish_reason)]
    assert all(len(row.asked_again) == 2 for row in bad)
    assert len(again) > len(bad)
    assert all(row.attempts > len(row.asked_again) for row in again)
    assert {"empty", "refusal", "wrong language", "loop", "cut"} == {
        w for row in again for w in row.asked_again
    }


def test_a_killed_client_loses_nothing_and_repeats_only_requests_in_flight(
    made_up: MadeUpRun,
) -> None:
    """It is killed by SIGKILL at seeded moments. At full size: python -m benchmarks.caption_kill."""
    with FaultServer(slots=16, latency_s=0.2) as server:
        killed = kill_and_resume(made_up, server, kills=4, seed=2)

    assert 4 == killed.kills
    assert IMAGES == killed.rows == killed.distinct_rows
    assert 0 == killed.asked_again_though_written
    assert 0 < killed.asked_again <= killed.in_flight_at_kills


def test_an_interruption_finishes_the_requests_in_flight(made_up: MadeUpRun) -> None:
    """After one SIGINT, no answer is lost, nothing more is asked, and the exit code is 130."""
    with FaultServer(slots=8, latency_s=0.5) as server:
        process = made_up.start(server.urls, ("single_en",), max_in_flight=8)
        wait_until_asked(server, 20)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
        stats = server.stats()

    rows = made_up.rows("single_en")
    assert 130 == process.returncode
    assert "interrupted: finishing what is in flight; once more to stop now" in stderr
    assert "Traceback" not in stderr
    assert 20 <= sum(stats.asked.values()) == len(rows) < IMAGES
    assert [] == [row for row in rows if row.failure]


def test_a_second_interruption_stops_at_once(made_up: MadeUpRun, hanging: FaultServer) -> None:
    """The requests in flight would take ten minutes."""
    process = made_up.start(
        hanging.urls, ("single_en",), max_in_flight=8, first_token_timeout_s=900.0, token_timeout_s=900.0
    )
    wait_until_asked(hanging, 8)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "once more" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()

    assert 130 == process.returncode
    assert "the same command resumes from here" in stderr
    assert "Traceback" not in stderr
    assert [] == made_up.rows("single_en")


def _defect(job: str, text: str, finish_reason: str) -> str | None:
    return CHECKS[job].defect(text, finish_reason)
