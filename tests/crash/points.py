"""Injects a fault at one change of a run, and checks that the same command then ends as if there were none.

Comes in: a kind of fault, the number of a change. Goes out: an Outcome with everything that is wrong
afterwards. The layout of run folders isn't known here: captions are found by their marks, and the export with
RunFolder. Not its job: what a fault does (see faults, disk).
"""

from __future__ import annotations

import pickle
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import msgspec

from tests.crash.changes import Change, Fault, Watch
from tests.crash.disk import POWER_CUTS, Disk, after_power_cut, tree_of
from tests.crash.faults import FailsOnce, FullDisk, KilledAt, ShortWrite
from tests.crash.runs import CommandRunner, Ended, draw_pile, marks_in
from triptych.runs import digest_cache
from triptych.runs.folder import STAGE_NAMES, RunFolder
from triptych.runs.other_embeddings import FOLDER

KILLED, TORN = "killed", "torn write, then killed"
FULL, FAILS_ONCE, SHORT = "disk full from there on", "EIO once", "short write"
FAULTS = {KILLED: KilledAt, FULL: FullDisk, FAILS_ONCE: FailsOnce, SHORT: ShortWrite}
KINDS = (KILLED, TORN, FULL, FAILS_ONCE, SHORT, *POWER_CUTS)

REAL_KILL_EVERY = 10
"""One kill in this many is a real SIGKILL; the others are replayed, which takes half the time."""

_MAY_DIFFER = (".digests.json", ".lock")
_MAY_DIFFER_BELOW = ("/.counts", "/workers")
"""Files that no result depends on: caches, locks, stored counts, heartbeats named after their process."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one fault."""

    run: str
    """The run that it occurred in."""
    kind: str
    number: int
    change: str
    struck: bool
    """Whether the run reached that change: the order of threads varies."""
    lost: int = 0
    """Captions that were on disk and are gone."""
    doubled: int = 0
    """Captions that were on disk and were requested again."""
    refused: str = ""
    """The last lines of the same command, or of verify after it, if one failed."""
    other: str = ""
    """Anything else: a different export, files left behind, a traceback."""

    @property
    def survived(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.refused or self.other)

    def __str__(self) -> str:
        wrong = [f"{self.lost} lost" * bool(self.lost), f"{self.doubled} doubled" * bool(self.doubled)]
        found = "; ".join(filter(None, [*wrong, self.refused, self.other])) or "survived"
        return f"{self.run}, {self.kind} at change {self.number} ({self.change}): {found}"


class CrashPoints:
    """All changes of one uninterrupted command, for a fault at each. Its files are in ``folder``."""

    def __init__(
        self,
        name: str,
        folder: Path,
        runs: CommandRunner,
        seed: int,
        before: Sequence[Change] = (),
        options: Sequence[str] = (),
    ) -> None:
        """``before``: changes made to the run folder before the command begins. ``options`` are given to the
        interrupted command, and not to the one that resumes it."""
        self.name, self._folder, self.runs, self._seed = name, folder, runs, seed
        self._options = list(options)
        self._before = list(before)
        self.changes = [*self._before, *self._record(folder / "calm")]
        self.expected = _export_of(folder / "calm" / "run")
        self._names = _names_in(folder / "calm")
        self.optional_folders: tuple[str, ...] = ()
        """Folders that are missing in the end if the fault comes before they are begun."""
        self._marks = _marks_below(folder / "calm")
        assert self._marks

    def in_folder(self, folder: Path) -> Self:
        """A copy with its own files, for another process."""
        other = copy(self)
        other._folder, other.runs = folder, self.runs.in_folder(folder)
        return other

    def points(self, kinds: Iterable[str] = KINDS) -> list[tuple[str, int]]:
        """Every fault at every change. Only writes of more than one byte can be torn or short."""
        return [
            (kind, number)
            for kind in kinds
            for number, change in enumerate(self.changes)
            if number >= len(self._before)
            if kind not in (TORN, SHORT) or (change.kind == "write" and len(change.data) > 1)
        ]

    def attempt(self, kind: str, number: int) -> Outcome:
        """Inject a fault, run the command again, and check everything."""
        point = self._folder / "point"
        shutil.rmtree(point, ignore_errors=True)
        struck = self._folder / "struck"
        struck.unlink(missing_ok=True)
        unclean = ""
        if kind in FAULTS and (kind != KILLED or number % REAL_KILL_EVERY == 0):
            ended = self.strike(point, FAULTS[kind](number - len(self._before), struck))
            on_disk = _marks_below(point)
            unclean = "" if kind == KILLED else _unclean(ended, may_fail=kind != SHORT)
        else:
            on_disk = self.replay_crash(kind, number, point)
            struck.touch()
        found = self._resume(point, on_disk)
        return msgspec.structs.replace(
            found,
            kind=kind,
            number=number,
            change=str(self.changes[number]),
            struck=struck.exists(),
            other="; ".join(filter(None, [unclean, found.other])),
        )

    def strike(self, point: Path, fault: Fault) -> Ended:
        """Run in ``point``, a new folder, with ``fault``, which counts changes from the command's first."""
        Disk(self._before).write_to(point)
        return self.runs.run([self.runs.run_command(point / "run") + self._options], Watch(point, fault))

    def replay_crash(self, kind: str, number: int, point: Path) -> Counter[str]:
        """Write to ``point`` what a crash at a change leaves. Returns the marks of captions on disk."""
        before = self.changes[:number]
        if kind == TORN:
            before.append(self.torn(number))
        disk = Disk(before)
        if kind in POWER_CUTS:
            after_power_cut(kind, before, f"{self._seed} {number}", point)
            return _marks_of({name: file.durable for name, file in disk.files()})
        disk.write_to(point)
        return _marks_below(point)

    def torn(self, number: int) -> Change:
        """The write ``number`` with only a part of its bytes."""
        change = self.changes[number]
        length = random.Random(f"{self._seed} {number}").randrange(1, len(change.data))
        return change._replace(data=change.data[:length])

    def _resume(self, point: Path, on_disk: Counter[str]) -> Outcome:
        run = point / "run"
        ended = self.runs.run([self.runs.run_command(run), ["triptych", "verify", str(run)]])
        found = Outcome(run=self.name, kind="", number=0, change="", struck=True)
        if ended.status != 0:
            return msgspec.structs.replace(found, refused=_last_words(ended))
        other = []
        if _export_of(run) != self.expected:
            other.append("another export")
        others = sorted(_names_in(point) ^ self._names)
        if left := [name for name in others if not f"{name}/".startswith(self.optional_folders)]:
            other.append(f"other files: {', '.join(left[:5])}")
        return msgspec.structs.replace(
            found,
            lost=(on_disk - _marks_below(point)).total(),
            doubled=(on_disk + Counter(ended.asked) - self._marks).total(),
            other="; ".join(other),
        )

    def _record(self, calm: Path) -> Sequence[Change]:
        """The changes of the uninterrupted command. Asserts that replaying them gives the same folder."""
        Disk(self._before).write_to(calm)
        log = self._folder / "changes"
        command = self.runs.run_command(calm / "run") + self._options
        ended = self.runs.run([command], Watch(calm, with_data=True), log)
        assert ended.status == 0, f"{ended.output}\nended with {ended.status}"
        changes: list[Change] = pickle.loads(log.read_bytes())
        replayed = self._folder / "replayed"
        Disk([*self._before, *changes]).write_to(replayed)
        assert tree_of(calm) == tree_of(replayed)
        return changes


def first_run(folder: Path, seed: int) -> CrashPoints:
    """The changes of a run in a new folder."""
    runs = CommandRunner(folder, draw_pile(folder / "images"))
    (folder / "loaded").mkdir()
    runs.load_everything(folder / "loaded" / "run")
    digest_cache.MIN_AGE_S = 1e9  # else the cached digests would depend on how long a run takes
    return CrashPoints("first run", folder, runs, seed)


def second_run(folder: Path, first: CrashPoints, seed: int) -> CrashPoints:
    """The changes of a run that resumes the first one, which was killed while writing a caption."""
    captions = [number for kind, number in first.points([TORN]) if marks_in(first.changes[number].data)]
    number = random.Random(seed).choice(captions[: len(captions) // 4])
    before = [*first.changes[:number], first.torn(number)]
    second = CrashPoints("second run", folder, first.runs.in_folder(folder), seed, before)
    assert second.expected == first.expected
    return second


def made_again(folder: Path, first: CrashPoints, seed: int) -> CrashPoints:
    """The changes of a finished run that makes everything again except captions."""
    fresh = [f"--fresh={stage}" for stage in STAGE_NAMES if stage != "captions"]
    again = CrashPoints("made again", folder, first.runs.in_folder(folder), seed, first.changes, fresh)
    assert again.expected == first.expected
    return again


def captioned_anew(folder: Path, first: CrashPoints, seed: int) -> CrashPoints:
    """The changes of a finished run that makes new captions and keeps the old ones."""
    runs, fresh = first.runs.in_folder(folder), ["--fresh=captions"]
    anew = CrashPoints("captioned anew", folder, runs, seed, first.changes, fresh)
    assert anew.expected == first.expected
    new = anew._names - first._names
    anew.optional_folders = tuple(
        f"{Path(name).parent}/" for name in new if name.endswith("/generation.json")
    )
    return anew


def _unclean(ended: Ended, *, may_fail: bool) -> str:
    if ended.status not in (0, may_fail) or "Traceback" in ended.output:
        return f"ended with {ended.status}: {_last_words(ended)}"
    return ""


def _last_words(ended: Ended) -> str:
    lines = [line for line in ended.output.splitlines() if line.startswith(("triptych: ", "BAD"))]
    return " | ".join((lines or ended.output.splitlines())[-3:]) or f"ended with {ended.status}"


def _export_of(run: Path) -> dict[str, bytes | None]:
    return tree_of(RunFolder.open(run).export_folder)


def _names_in(folder: Path) -> set[str]:
    names = (
        name
        for name in tree_of(folder)
        if not name.endswith(_MAY_DIFFER) and not any(each in name for each in _MAY_DIFFER_BELOW)
    )
    # If a command with --fresh is killed before it sets the embeddings aside, the resumed one uses them.
    return {name for name in names if FOLDER not in name or "moving" in name}


def _marks_below(folder: Path) -> Counter[str]:
    return _marks_of(tree_of(folder))


def _marks_of(files: Mapping[str, bytes | None]) -> Counter[str]:
    """How often each caption is in journals."""
    journals = (content for name, content in files.items() if name.startswith("run/captions/") and content)
    return Counter(mark for content in journals for mark in marks_in(content))
