"""What people say of sets and captions: the lines that the page's button downloads, or its server stores.

Comes in: JSON Lines, one verdict a line. Goes out: verdicts, each item once; a file in a run that is only
ever appended to. Not its job: what verdicts come to (see triptych.report.precision), what
becomes of captions (see triptych.filtering).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from triptych.errors import UsageError
from triptych.records import caption_id
from triptych.runs.journal import cut_torn_tail
from triptych.runs.jsonl import UNDECODABLE, sync_directory

REASONS = ("wrong object", "wrong count", "wrong colour", "wrong text", "too vague", "bad language", "other")
"""Why a caption is bad: the page offers these."""

STORED = "human_verdicts.jsonl"
"""In the run folder: what the served page was told."""


class HumanVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: what a person says of one item."""

    report: str
    """Of the page that was judged (see triptych.report.identity)."""
    kind: str
    """``set``, a job's name for its kept captions, ``near duplicate``, ``rejected: RULE``, ``beside: REPORT``
    (this run's caption beside that of another run: ``good`` where it is the better one)."""
    key: str
    """The image key or the set id."""
    job: str = ""
    """Whose caption it is about; empty where it is about images."""
    verdict: Literal["good", "bad", "equal", "withdrawn"]
    reason: str = ""
    """Why it is bad, one of REASONS; empty where nothing was said."""
    text: str = ""
    """The caption as the person has written it; empty where it was left as it is."""
    of: str = ""
    """Which text was judged (see digest_of_text); empty where it is about images."""
    drawn: Literal["even", "rare"]
    """``rare`` was added so that its kind is seen, and doesn't count towards a precision."""
    time: str = ""
    """UTC. Of two verdicts on one item the later counts."""

    @property
    def is_good(self) -> bool:
        return self.verdict == "good"

    @property
    def is_right(self) -> bool:
        """Whether all is right as it is: a kept caption that was rewritten wasn't."""
        return self.is_good and not (self.text and self.kind == self.job)

    @property
    def item(self) -> tuple[str, str, str]:
        """What it is about."""
        return self.kind, self.job, self.key

    @property
    def caption(self) -> str:
        """The id of its caption; empty where it is about images."""
        return caption_id(self.job, self.key) if self.job else ""


class VerdictsFile(NamedTuple):
    """The verdicts of a file, each item once."""

    verdicts: list[HumanVerdict]
    on_other_reports: int
    """Lines on another report than the one asked for, as a run's own file has when its report has changed."""
    damaged: int
    """Lines of a run's own file that are no verdicts, but for a last one without an end."""
    sha256: str
    """Of the file as it was read."""


def read_verdicts(path: Path, report: str | None = None) -> VerdictsFile:
    """Of all reports, or of ``report`` alone. In a run's own file a line that a crash cut short or that is
    damaged is passed over, and of two verdicts the later line counts.

    Raises UsageError where the file can't be read, a line isn't a verdict, two lines contradict each other
    without a time that tells which came later, or there is none at all, or none on ``report``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"verdicts file {path}: {error.strerror}; name the file that the page's button downloaded"
        ) from None
    others, is_own, damaged = list[str](), path.name == STORED, 0
    found: dict[tuple[str, str, str], tuple[int, HumanVerdict]] = {}
    for number, verdict in _decoded(path, content, is_own=is_own):
        if verdict is None:
            damaged += 1
            continue
        if report is not None and verdict.report != report:
            others.append(verdict.report)
            continue
        before = found.get(verdict.item)
        if not is_own:
            _refuse_contradiction(path, number, verdict, before)
        if before is None or verdict.time >= before[1].time:
            found[verdict.item] = (number, verdict)
    if not found and others:
        raise UsageError(
            f"{path}: a verdict on report {others[-1]}, and none on this run's, which is {report};"
            " name the run that was judged, or judge its new report"
        )
    if not found:
        but = f" but {damaged:,} damaged lines" if damaged else ""
        raise UsageError(
            f"{path} holds no verdicts{but}; judge items in the page with g and b, then download"
        )
    verdicts = [verdict for _, verdict in found.values() if verdict.verdict != "withdrawn"]
    return VerdictsFile(verdicts, len(others), damaged, hashlib.sha256(content).hexdigest())


def damage_line(path: Path, damaged: int) -> str:
    """What is said of so many lines of a run's own file."""
    return (
        f"{damaged:,} lines of {path} are no verdicts: damaged or cut short, so what they said doesn't count;"
        " put them back, or take them out and judge those items again"
    )


def damaged_lines(run: Path) -> int:
    """How many lines of what a run has stored are no verdicts, but for a last one without an end."""
    path = run / STORED
    if not path.is_file():
        return 0
    return sum(verdict is None for _, verdict in _decoded(path, path.read_bytes(), is_own=True))


def digest_of_text(text: str) -> str:
    """12 hex digits that tell whether a caption is still the one that was judged."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def decode_verdict(line: bytes) -> HumanVerdict:
    """One line. Raises one of UNDECODABLE where it is none."""
    return msgspec.json.decode(line, type=HumanVerdict)


def append_verdict(run: Path, verdict: HumanVerdict) -> None:
    """Add a line to what the run ``run`` has stored; it is on disk when this returns."""
    path = run / STORED
    is_new = not path.exists()
    line = msgspec.json.encode(verdict) + b"\n"
    with path.open("ab+", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cut_torn_tail(file)
        if file.write(line) < len(line):
            cut_torn_tail(file)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file.fileno())
    if is_new:
        sync_directory(run)


def stored_verdicts(run: Path, report: str) -> list[HumanVerdict]:
    """What the run has stored of verdicts on ``report``, each item once: the last that was said."""
    try:
        content = (run / STORED).read_bytes()
    except FileNotFoundError:
        return []
    found: dict[tuple[str, str, str], HumanVerdict] = {}
    for _, verdict in _decoded(run / STORED, content, is_own=True):
        if verdict is None or verdict.report != report:
            continue
        before = found.get(verdict.item)
        if before is None or verdict.time >= before.time:
            found[verdict.item] = verdict
    return list(found.values())


def _decoded(path: Path, content: bytes, *, is_own: bool) -> Iterator[tuple[int, HumanVerdict | None]]:
    """The verdicts of a file with the numbers of their lines; of a run's own None where a line isn't one, but
    for a last one without an end, which nobody was told is stored. Raises UsageError where another has such a
    line."""
    for number, line in enumerate(content.splitlines(keepends=True), start=1):
        if not line.strip():
            continue
        try:
            yield number, decode_verdict(line)
        except UNDECODABLE as error:
            if not is_own:
                raise UsageError(
                    f"{path}, line {number}: expected a verdict as the page's button writes it, found {error}"
                ) from None
            if line.endswith((b"\n", b"\r")):
                yield number, None


def _refuse_contradiction(
    path: Path, number: int, verdict: HumanVerdict, before: tuple[int, HumanVerdict] | None
) -> None:
    if before is None or before[1].verdict == verdict.verdict or before[1].time != verdict.time:
        return
    raise UsageError(
        f"{path}, line {number}: {verdict.key} is {verdict.verdict} here and {before[1].verdict} in line"
        f" {before[0]}; keep one of the two lines"
    )
