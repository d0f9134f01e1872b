"""What each endpoint's last canary came to, and what was made since by one that failed it.

    RUN/canaries/<endpoint>.json          the last canary of an endpoint (see captioning.canary)
    RUN/canaries/<endpoint>.asking        locked while a process asks it, so that others wait for the answer
    RUN/canaries/<id>.failed              what was made since this canary is to be set aside
    RUN/doubted/captions/..., checks/...  journals of what was set aside

Comes in: outcomes of canaries. Goes out: files that any process reads. Every caption has the id of the last
canary that its endpoint had passed. Where the next one fails, those with that id leave their journals: they
are missing then, and the next command makes them again. Nothing is deleted. Not its job: asking.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from triptych.records import Caption, StatementCheck
from triptych.runs.checks import FOLDER as CHECKS
from triptych.runs.checks import forget_outcome
from triptych.runs.folder import RunFolder
from triptych.runs.generations import accept_change
from triptych.runs.journal import JournalWriter, read_journal, write_journal
from triptych.runs.jsonl import UNDECODABLE, make_folder, written_whole

FOLDER = "canaries"
DOUBTED = "doubted"


class CanaryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The last canary of one endpoint, with sums over all of this run's."""

    endpoint: str
    """Its URL; what only one machine can reach with that machine's name."""
    asks: str
    """``captions`` or ``statements``."""
    passed: str
    """The id of the last one that it passed; what is made since has it. Empty: none."""
    at: float
    """Seconds since 1970."""
    right: int
    answered: int
    wrong: str = ""
    """Why it failed, in words; empty where it passed."""
    asked: int = 0
    """How many canaries it has had."""
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def canary_file(run: Path, asks: str, endpoint: str) -> Path:
    """Where the last one of an endpoint is."""
    return run / FOLDER / (re.sub(r"[^\w.]+", "-", f"{asks} {endpoint}") + ".json")


def read_canary(path: Path) -> CanaryRecord | None:
    """None where there is none, or no whole one."""
    with contextlib.suppress(OSError, *UNDECODABLE):
        return msgspec.json.decode(path.read_bytes(), type=CanaryRecord)
    return None


def read_canaries(run: Path) -> list[CanaryRecord]:
    """The last one of every endpoint, by name."""
    found = (read_canary(path) for path in sorted((run / FOLDER).glob("*.json")))
    return [each for each in found if each is not None]


def canary_lines(run: Path) -> Iterator[str]:
    """For a person: the last one of every endpoint."""
    for each in read_canaries(run):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.at))
        failed = f"; failed: {each.wrong}" if each.wrong else ""
        yield (
            f"{each.endpoint}: {each.right} of {each.answered} {each.asks} right at {when}"
            f" ({each.asked:,} canaries: {each.requests:,} requests,"
            f" {each.prompt_tokens + each.completion_tokens:,} tokens){failed}"
        )


def write_canary(run: Path, record: CanaryRecord) -> None:
    """In place of the one before."""
    with written_whole(canary_file(run, record.asks, record.endpoint)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(record)))


def doubt(run: Path, passed: str, why: str) -> None:
    """What was made since the canary with this id, where that was the last good one, is to be set aside."""
    with written_whole(run / FOLDER / f"{passed}.failed") as file:
        file.write(why.encode())


@contextlib.contextmanager
def only_one_asks(run: Path, asks: str, endpoint: str) -> Iterator[None]:
    """Wait while another process asks this endpoint. Where folders can't be locked, several ask."""
    make_folder(run / FOLDER)
    with canary_file(run, asks, endpoint).with_suffix(".asking").open("ab") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_aside_doubted(run: RunFolder, say: Callable[[str], None]) -> None:
    """Take what was made since canaries that were the last good ones out of its journals.

    For the process that writes them, while nobody else does. ``say`` is told how much it was.
    """
    failed = sorted((run.path / FOLDER).glob("*.failed"))
    ids = {path.stem for path in failed}
    count = 0
    if ids:
        for path in sorted(run.captions_root.rglob("*.jsonl")):
            if taken := _take_out(run, path, Caption, ids, partial(_reopen_captions, run)):
                count += taken
                accept_change(run, "/".join(path.relative_to(run.captions_root).parts[:2]))
        for path in sorted((run.path / CHECKS).rglob("*.jsonl")):
            job = path.relative_to(run.path / CHECKS).parts[0]
            count += _take_out(run, path, StatementCheck, ids, partial(forget_outcome, run, job))
    for path in failed:
        path.unlink()
    if count:
        say(
            f"canary: {count:,} answers since the last good canary are set aside in {run.path / DOUBTED};"
            " the same command asks for them again"
        )


def _reopen_captions(run: RunFolder) -> None:
    if "captions" in run.run_file.stages:
        run.reopen_stage("captions")


def _take_out(
    run: RunFolder,
    path: Path,
    kind: type[Caption] | type[StatementCheck],
    ids: set[str],
    before: Callable[[], None],
) -> int:
    """How many rows were taken out of a journal. ``before`` notes that there are to be fewer: a crash in
    between must not look like a loss."""
    content = path.read_bytes()
    if not any(each.encode() in content for each in ids):
        return 0
    rows = read_journal(path, kind)
    doubted = [row for row in rows if row.canary in ids]
    if doubted:
        with JournalWriter(run.path / DOUBTED / path.relative_to(run.path)) as journal:
            journal.commit(doubted)
        before()
        write_journal(path, [row for row in rows if row.canary not in ids])
    return len(doubted)
