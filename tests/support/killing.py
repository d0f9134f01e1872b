"""Kills a captioning client with SIGKILL at seeded moments, and counts what it repeats when it resumes.

Comes in: a made-up run, a server that counts. Goes out: how many captions there are, and how many requests
were repeated. Moments are drawn over the captions to be made, each with a short random delay.
"""

from __future__ import annotations

import random
import re
import time

import msgspec

from tests.support.fault_server import FaultServer
from tests.support.made_up_run import MadeUpRun

JOB: str = "single_en"
MAX_IN_FLIGHT = 16
POLL_S = 0.01


class Killed(msgspec.Struct, kw_only=True):
    """The counts."""

    kills: int = 0
    rows: int = 0
    distinct_rows: int = 0
    asked_again: int = 0
    """Repeated requests."""
    asked_again_though_written: int = 0
    """Of these, the ones whose caption was already in the journal at the kill before."""
    in_flight_at_kills: int = 0
    """Requests that had been sent, but had no caption in the journal yet, at a kill."""


def kill_and_resume(made_up: MadeUpRun, server: FaultServer, kills: int, seed: int) -> Killed:
    """Kill the client ``kills`` times, then let it finish."""
    rng = random.Random(seed)
    planned = sum(1 for _ in _images(made_up))
    found = Killed()
    written: set[str] = set()
    asked: dict[str, int] = {}
    for moment in sorted(rng.randrange(1, planned) for _ in range(kills)):
        process = made_up.start(server.urls, (JOB,), max_in_flight=MAX_IN_FLIGHT)
        before = sum(server.stats().asked.values())
        while len(server.stats().asked) < moment or sum(server.stats().asked.values()) == before:
            time.sleep(POLL_S)
        time.sleep(rng.uniform(0.0, 0.3))
        if process.poll() is not None:
            process.communicate()
            break
        process.kill()
        process.communicate()
        found.kills += 1
        now = server.stats().asked
        found.asked_again_though_written += _again(asked, now, written)
        asked, written = now, _keys(made_up)
        found.in_flight_at_kills += len(now.keys() - written)
    process = made_up.start(server.urls, (JOB,), max_in_flight=MAX_IN_FLIGHT)
    _, stderr = process.communicate()
    assert process.returncode == 0, stderr
    now = server.stats().asked
    found.asked_again_though_written += _again(asked, now, written)
    rows = made_up.rows(JOB)
    found.rows, found.distinct_rows = len(rows), len({row.id for row in rows})
    found.asked_again = sum(now.values()) - len(now)
    return found


def _images(made_up: MadeUpRun) -> list[str]:
    lines = (made_up.path / "images").rglob("*.jsonl")
    return [line for path in lines for line in path.read_text().splitlines()]


def _again(before: dict[str, int], now: dict[str, int], written: set[str]) -> int:
    return sum(now[key] - before.get(key, 0) for key in written)


def _keys(made_up: MadeUpRun) -> set[str]:
    """The server's keys of the requests whose captions are in the journal."""
    found = (re.search("[0-9a-f]{12}", row.text) for row in made_up.rows(JOB))
    return {match.group() for match in found if match is not None}
