"""Results of canaries, which test endpoints with known pictures, and removal of answers after a failure.

    RUN/canaries/<endpoint>.json          the last canary of an endpoint (see captioning.canary)
    RUN/canaries/<endpoint>.asking        locked while a process tests the endpoint, so that others wait
    RUN/canaries/<id>.failed              answers made since this canary have to be set aside
    RUN/doubted/captions/..., checks/...  journals of the answers that were set aside

Comes in: outcomes of canaries. Goes out: files that any process reads. Every caption has the id of the last
canary that its endpoint had passed. If the next one fails, captions with that id are moved out of their
journals, and the next command makes them again. Nothing is deleted. Not its job: running canaries.
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
    """The last canary of one endpoint, with totals over all canaries of the run."""

    endpoint: str
    """Its URL, with the machine's name if only one machine can reach it."""
    asks: str
    """``captions`` or ``statements``."""
    passed: str
    """The id of the last canary that it passed, which later answers have; empty if there is none."""
    at: float
    """Seconds since 1970."""
    right: int
    answered: int
    wrong: str = ""
    """Why it failed, in words; empty if it passed."""
    asked: int = 0
    """How many canaries the endpoint has had."""
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


def canary_file(run: Path, asks: str, endpoint: str) -> Path:
    """The path of an endpoint's last canary."""
    return run / FOLDER / (re.sub(r"[^\w.]+", "-", f"{asks} {endpoint}") + ".json")


def read_canary(path: Path) -> CanaryRecord | None:
    """The canary in ``path``; None if the file is missing or damaged."""
    with contextlib.suppress(OSError, *UNDECODABLE):
        return msgspec.json.decode(path.read_bytes(), type=CanaryRecord)
    return None


def read_canaries(run: Path) -> list[CanaryRecord]:
    """The last canary of every endpoint, by name."""
    found = (read_canary(path) for path in sorted((run / FOLDER).glob("*.json")))
    return [each for each in found if each is not None]


def canary_lines(run: Path) -> Iterator[str]:
    """A line for the last canary of every endpoint."""
    for each in read_canaries(run):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.at))
        failed = f"; failed: {each.wrong}" if each.wrong else ""
        yield (
            f"{each.endpoint}: {each.right} of {each.answered} {each.asks} right at {when}"
            f" ({each.asked:,} so far: {each.requests:,} requests,"
            f" {each.prompt_tokens + each.completion_tokens:,} tokens){failed}"
        )


def write_canary(run: Path, record: CanaryRecord) -> None:
    """Replace the endpoint's last canary."""
    with written_whole(canary_file(run, record.asks, record.endpoint)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(record)))


def mark_failed(run: Path, passed: str, why: str) -> None:
    """Note that answers made since the canary ``passed``, the last good one, have to be set aside."""
    with written_whole(run / FOLDER / f"{passed}.failed") as file:
        file.write(why.encode())


@contextlib.contextmanager
def asking_lock(run: Path, asks: str, endpoint: str) -> Iterator[None]:
    """Let one process at a time test an endpoint. On file systems without locks, several may."""
    make_folder(run / FOLDER)
    with canary_file(run, asks, endpoint).with_suffix(".asking").open("ab") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_aside_doubted(run: RunFolder, say: Callable[[str], None]) -> None:
    """Move answers made since the last good canary of a failed endpoint out of their journals.

    Only for the process that owns the run. ``say`` gets a message with their number.
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
    """Move rows out of a journal and return how many. ``before`` is called before the journal is rewritten,
    to note that rows go on purpose: a crash in between must not look like a loss."""
    content = path.read_bytes()
    if not any(each.encode() in content for each in ids):  # faster than decoding
        return 0
    rows = read_journal(path, kind)
    doubted = [row for row in rows if row.canary in ids]
    if doubted:
        with JournalWriter(run.path / DOUBTED / path.relative_to(run.path)) as journal:
            journal.commit(doubted)
        before()
        write_journal(path, [row for row in rows if row.canary not in ids])
    return len(doubted)
