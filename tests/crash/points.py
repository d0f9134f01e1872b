"""A fault at one change of a run, and whether the same command goes on from there as if nothing had been.

Comes in: a kind of fault, the number of a change. Goes out: an Outcome with everything that is wrong
afterwards. The run folder's layout isn't known here: what was made is found by its marks, what was exported
by the run itself. Not its job: what a fault does (see faults, disk).
"""

from __future__ import annotations

import pickle
import random
import shutil
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import msgspec

from tests.crash.changes import Change, Fault, Watch
from tests.crash.disk import POWER_CUTS, Disk, after_power_cut, tree_of
from tests.crash.faults import FailsOnce, FullDisk
from tests.crash.runs import Ended, SmallRuns, draw_pile, marks_in
from triptych.runs.folder import RunFolder

KILLED, TORN, FULL, FAILS_ONCE = "killed", "torn write, then killed", "disk full from there on", "EIO once"
KINDS = (KILLED, TORN, FULL, FAILS_ONCE, *POWER_CUTS)

_MAY_DIFFER = (".digests.json", ".lock")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one fault."""

    kind: str
    number: int
    change: str
    struck: bool
    """Whether the run came to that change: threads take turns as they like."""
    lost: int = 0
    """Captions that were on disk and are no more."""
    doubled: int = 0
    """Captions that were on disk and were asked for again."""
    refused: str = ""
    """What the same command, or verify after it, ended with."""
    other: str = ""
    """Another export, files left behind, a traceback."""

    @property
    def survived(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.doubled or self.refused or self.other)

    def __str__(self) -> str:
        wrong = [f"{self.lost} lost" * bool(self.lost), f"{self.doubled} doubled" * bool(self.doubled)]
        found = "; ".join(filter(None, [*wrong, self.refused, self.other])) or "survived"
        return f"{self.kind} at change {self.number} ({self.change}): {found}"


class CrashPoints:
    """All changes of one undisturbed run, to be struck one by one. Keeps its files in ``folder``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._runs = SmallRuns(folder, draw_pile(folder / "images"))
        loaded, self._calm = folder / "loaded" / "run", folder / "calm"
        loaded.parent.mkdir()
        self._calm.mkdir()
        self._runs.load_everything(loaded)
        self.changes = self._record()
        self._expected = _export_of(self._calm / "run")
        self._names = _names_in(self._calm)
        assert any(marks_in(content) for content in self._expected.values())

    def in_folder(self, folder: Path) -> Self:
        """The same with files of its own, for another process."""
        other = copy(self)
        other._folder, other._runs = folder, self._runs.in_folder(folder)
        return other

    def points(self, kinds: Iterable[str] = KINDS) -> list[tuple[str, int]]:
        """Everything that can be tried. Only writes of more than a byte can be torn."""
        return [
            (kind, number)
            for kind in kinds
            for number, change in enumerate(self.changes)
            if kind != TORN or (change.kind == "write" and len(change.data) > 1)
        ]

    def attempt(self, kind: str, number: int) -> Outcome:
        """Strike, go on, look."""
        point = self._folder / "point"
        shutil.rmtree(point, ignore_errors=True)
        point.mkdir()
        struck = self._folder / "struck"
        struck.unlink(missing_ok=True)
        other = ""
        if kind in (FULL, FAILS_ONCE):
            fault = (FullDisk if kind == FULL else FailsOnce)(number, struck)
            ended = self.strike(point, fault)
            on_disk = _marks_below(point)
            other = _unclean(ended)
        else:
            on_disk = self.leave(kind, number, point)
            struck.touch()
        found = self._go_on(point, on_disk)
        change = self.changes[number]
        return msgspec.structs.replace(
            found,
            kind=kind,
            number=number,
            change=str(change),
            struck=struck.exists(),
            other="; ".join(filter(None, [other, found.other])),
        )

    def strike(self, point: Path, fault: Fault) -> Ended:
        """Run in ``point`` with ``fault``."""
        return self._runs.run([self._runs.run_command(point / "run")], Watch(point, fault))

    def leave(self, kind: str, number: int, point: Path) -> set[str]:
        """Write to ``point`` what is there after a crash at a change. Returns the marks that were on disk."""
        before = list(self.changes[:number])
        if kind == TORN:
            rng = random.Random(f"{self._seed} {number}")
            change = self.changes[number]
            before.append(change._replace(data=change.data[: rng.randrange(1, len(change.data))]))
        disk = Disk(before)
        if kind in POWER_CUTS:
            after_power_cut(kind, before, f"{self._seed} {number}", point)
            return set().union(*(marks_in(node.durable) for _, node in disk.files()))
        disk.write_to(point)
        return _marks_below(point)

    def _go_on(self, point: Path, on_disk: set[str]) -> Outcome:
        run = point / "run"
        ended = self._runs.run([self._runs.run_command(run), ["triptych", "verify", str(run)]])
        found = Outcome(kind="", number=0, change="", struck=True)
        if ended.status != 0:
            return msgspec.structs.replace(found, refused=_last_words(ended))
        other = []
        if _export_of(run) != self._expected:
            other.append("another export")
        if left := _names_in(point) ^ self._names:
            other.append(f"other files: {', '.join(sorted(left)[:5])}")
        return msgspec.structs.replace(
            found,
            lost=len(on_disk - _marks_below(run)),
            doubled=len(on_disk & set(ended.asked)) + len(ended.asked) - len(set(ended.asked)),
            other="; ".join(other),
        )

    def _record(self) -> Sequence[Change]:
        """The changes of an undisturbed run. None was missed: replayed, they give what is there."""
        log = self._folder / "changes"
        command = self._runs.run_command(self._calm / "run")
        ended = self._runs.run([command], Watch(self._calm, with_data=True), log)
        assert ended.status == 0, f"{ended.said}\nended with {ended.status}"
        changes: list[Change] = pickle.loads(log.read_bytes())
        replayed = self._folder / "replayed"
        Disk(changes).write_to(replayed)
        assert tree_of(self._calm) == tree_of(replayed)
        return changes


def _unclean(ended: Ended) -> str:
    if ended.status not in (0, 1) or "Traceback" in ended.said:
        return f"ended with {ended.status}: {_last_words(ended)}"
    return ""


def _last_words(ended: Ended) -> str:
    lines = [line for line in ended.said.splitlines() if line.startswith(("triptych: ", "BAD"))]
    return " | ".join((lines or ended.said.splitlines())[-3:]) or f"ended with {ended.status}"


def _export_of(run: Path) -> dict[str, bytes | None]:
    return tree_of(RunFolder.open(run).export_folder)


def _names_in(folder: Path) -> set[str]:
    return {name for name in tree_of(folder) if not name.endswith(_MAY_DIFFER)}


def _marks_below(folder: Path) -> set[str]:
    contents = tree_of(folder).values()
    return set().union(*(marks_in(content) for content in contents if content is not None))
