"""People's verdicts on sets and captions, as the report page downloads them or its server stores them.

Comes in: JSON Lines, one verdict per line. Goes out: the last verdict on each item; an append-only file in
the run folder. Not its job: computing precision from verdicts (see triptych.report.precision), applying them
to captions (see triptych.filtering).
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
from triptych.runs.checksums import is_intact, sealed_line
from triptych.runs.journal import cut_torn_tail
from triptych.runs.jsonl import UNDECODABLE, sync_directory

REASONS = ("wrong object", "wrong count", "wrong colour", "wrong text", "too vague", "bad language", "other")
"""The reasons for a bad caption that the page offers."""

STORED = "human_verdicts.jsonl"
"""The file in the run folder that the page's server appends to."""


class HumanVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: a person's verdict on one item."""

    report: str
    """The id of the report that was judged (see triptych.report.identity)."""
    kind: str
    """``set``, a job's name for its kept captions, ``near duplicate``, ``rejected: RULE``, or ``beside:
    REPORT`` for this run's caption beside another run's: ``good`` if it is the better one."""
    key: str
    """The image key or the set id."""
    job: str = ""
    """The caption's job; empty if images were judged."""
    verdict: Literal["good", "bad", "equal", "withdrawn"]
    reason: str = ""
    """Why it is bad, one of REASONS; empty if no reason was given."""
    text: str = ""
    """The caption as the person corrected it; empty if it wasn't edited."""
    of: str = ""
    """The digest of the judged text (see digest_of_text); empty if images were judged."""
    drawn: Literal["even", "rare"]
    """``rare`` items were added so that each kind is seen, and don't count towards a precision."""
    time: str = ""
    """UTC. Of two verdicts on one item, the later one counts."""
    crc32: str = ""
    """The checksum of a line of the run's own file (see checksums)."""

    @property
    def is_good(self) -> bool:
        return self.verdict == "good"

    @property
    def is_right(self) -> bool:
        """Whether the item is good as it is. A kept caption that was corrected isn't."""
        return self.is_good and not (self.text and self.kind == self.job)

    @property
    def item(self) -> tuple[str, str, str]:
        """Identifies the judged item."""
        return self.kind, self.job, self.key

    @property
    def caption(self) -> str:
        """The id of the judged caption; empty if images were judged."""
        return caption_id(self.job, self.key) if self.job else ""


class VerdictsFile(NamedTuple):
    """The verdicts of a file, one per item."""

    verdicts: list[HumanVerdict]
    on_other_reports: int
    """Lines on other reports, such as earlier reports of a run in its own file."""
    damaged: int
    """Lines of the run's own file that can't be decoded, except an incomplete last line."""
    sha256: str
    """The digest of the file's content."""


def read_verdicts(path: Path, report: str | None = None) -> VerdictsFile:
    """Read verdicts on all reports, or only on ``report``. In the run's own file, damaged lines are skipped,
    and of two verdicts on an item from the same time the later line counts.

    Raises UsageError if the file can't be read, a line isn't a verdict, two lines contradict each other and
    their times don't tell which is later, or there is no verdict, or none on ``report``.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"verdicts file {path}: {error.strerror}; name the file that the page's button downloaded"
        ) from None
    is_own, damaged = path.name == STORED, 0
    others: list[str] = []
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
        raise UsageError(f"{path} has no verdicts{but}; judge items in the page with g and b, then download")
    verdicts = [verdict for _, verdict in found.values() if verdict.verdict != "withdrawn"]
    return VerdictsFile(verdicts, len(others), damaged, hashlib.sha256(content).hexdigest())


def damage_line(path: Path, damaged: int) -> str:
    """The warning about ``damaged`` lines of the run's own file."""
    return (
        f"{damaged:,} lines of {path} are not verdicts: damaged or cut short, so they don't count; restore"
        " them, or remove them and judge those items again"
    )


def damaged_lines(run: Path) -> int:
    """How many lines of the run's own file can't be decoded, not counting an incomplete last line."""
    path = run / STORED
    if not path.is_file():
        return 0
    return sum(verdict is None for _, verdict in _decoded(path, path.read_bytes(), is_own=True))


def digest_of_text(text: str) -> str:
    """12 hex digits, to tell whether a caption still has the text that was judged."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def decode_verdict(line: bytes) -> HumanVerdict:
    """Decode one line. Raises one of UNDECODABLE if it isn't a verdict, or has a wrong checksum."""
    verdict = msgspec.json.decode(line, type=HumanVerdict)
    if verdict.crc32 and not is_intact(line.rstrip() + b"\n"):
        raise msgspec.ValidationError("a wrong checksum")
    return msgspec.structs.replace(verdict, crc32="")


def append_verdict(run: Path, verdict: HumanVerdict) -> None:
    """Append a verdict to the run's own file; it is on disk when this returns."""
    path = run / STORED
    is_new = not path.exists()
    line = sealed_line(msgspec.json.encode(verdict))
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
    """The verdicts on ``report`` in the run's own file, the last one on each item."""
    try:
        content = (run / STORED).read_bytes()
    except FileNotFoundError:
        return []
    verdicts = [each for _, each in _decoded(run / STORED, content, is_own=True) if each is not None]
    by_time = sorted(verdicts, key=lambda each: each.time)  # stable: of the same time, the later line counts
    return list({each.item: each for each in by_time if each.report == report}.values())


def _decoded(path: Path, content: bytes, *, is_own: bool) -> Iterator[tuple[int, HumanVerdict | None]]:
    """The verdicts of a file with their line numbers. Raises UsageError for a line that isn't a verdict. In
    the run's own file such a line is None, and an incomplete last line, which was never confirmed, is
    skipped."""
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
    if before is not None and before[1].verdict != verdict.verdict and before[1].time == verdict.time:
        raise UsageError(
            f"{path}, line {number}: {verdict.key} is {verdict.verdict} here and {before[1].verdict} in line"
            f" {before[0]}; keep one of the two lines"
        )
