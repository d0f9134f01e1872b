"""A damaged run: what commands say of it, what the next run does, and whether it can be mended.

Comes in: a file of a finished small run, a kind of damage. Goes out: an Outcome with everything that is wrong
then. A damage has to be seen by verify unless it provably changes nothing; no command may end in a traceback;
the run after it refuses or mends, and exports nothing else; after `triptych repair` it ends as if nothing had
been. Not its job: what damages there are (see damages).
"""

from __future__ import annotations

import random
import shutil
import zlib
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Self

import msgspec

from tests.crash.disk import tree_of
from tests.crash.engine import MARK
from tests.crash.runs import Ended, SmallRuns, draw_pile
from tests.damage.damages import kinds_for

REMOVED, SWAPPED = "removed", "swapped with another file"

_NOBODY_READS = (".lock", ".digests.json", ".counts/", "report/", "logs/")
"""Of what lies there nothing is made of: damage costs time only."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one damage."""

    name: str
    kind: str
    is_harmless: bool
    """It changes nothing that a stage or a reader uses."""
    is_seen: bool
    """By verify."""
    run: str
    """What the next run did: mended, refused, or nothing."""
    wrong: list[str]

    def __str__(self) -> str:
        return f"{self.name}, {self.kind}: {'; '.join(self.wrong) or 'as it should be'}"


class DamageTrials:
    """One finished run, to be damaged again and again. Keeps its files in ``folder``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        self._runs = SmallRuns(folder, draw_pile(folder / "images"))
        self._calm = folder / "calm" / "run"
        self._calm.parent.mkdir()
        self._runs.load_everything(self._calm)
        ended = self._commands(self._calm, "report")
        assert ended.status == 0, ended.said
        self._expected = _export_of(self._calm)

    def in_folder(self, folder: Path) -> Self:
        """The same with files of its own, for another process."""
        other = copy(self)
        other._folder, other._runs = folder, self._runs.in_folder(folder)
        return other

    def all(self) -> list[tuple[str, str]]:
        """Every file with every kind of damage that can be done to it."""
        return list(self._all())

    def _all(self) -> Iterator[tuple[str, str]]:
        for path in sorted(path for path in self._calm.rglob("*") if path.is_file()):
            name = path.relative_to(self._calm).as_posix()
            if name == ".lock":
                continue
            yield name, REMOVED
            if self._twin_of(name) is not None:
                yield name, SWAPPED
            for kind in kinds_for(path) if path.stat().st_size else ():
                yield name, kind

    def attempt(self, name: str, kind: str, number: int) -> Outcome | None:
        """Do the damage, look at it, go on, mend it. None where it happened to change no byte."""
        shutil.rmtree(self._folder / "trial", ignore_errors=True)
        run = Path(shutil.copytree(self._calm, self._folder / "trial" / "run"))
        self._damage(run, name, kind, random.Random(f"{self._seed} {name} {kind} {number}"))
        if tree_of(run) == tree_of(self._calm):
            return None
        is_harmless = self._is_harmless(run)
        looked = {command: self._commands(run, command) for command in ("status", "verify", "report")}
        wrong = [f"{command}: {fault}" for command, ended in looked.items() for fault in _faults(ended)]
        is_seen = looked["verify"].status != 0
        if not is_seen and not is_harmless:
            wrong.append("verify doesn't see it")
        done, more = self._go_on(run, name)
        return Outcome(
            name=name, kind=kind, is_harmless=is_harmless, is_seen=is_seen, run=done, wrong=[*wrong, *more]
        )

    def _damage(self, run: Path, name: str, kind: str, rng: random.Random) -> None:
        path = run / name
        if kind == REMOVED:
            path.unlink()
        elif kind == SWAPPED:
            twin = run / str(self._twin_of(name))
            one, other = path.read_bytes(), twin.read_bytes()
            path.write_bytes(other)
            twin.write_bytes(one)
        else:
            path.write_bytes(kinds_for(path)[kind](path.read_bytes(), rng))

    def _twin_of(self, name: str) -> str | None:
        """Another file of the same kind."""
        path = Path(name)
        if len(path.parts) == 1:
            return None
        alike = sorted((self._calm / path.parts[0]).rglob(f"*{path.suffix}"))
        names = [p.relative_to(self._calm).as_posix() for p in alike]
        at = names.index(name)
        return names[at - 1] if len(names) > 1 else None

    def _is_harmless(self, run: Path) -> bool:
        """Whether only what nobody reads differs, or the order of whole lines in journals."""
        before, now = tree_of(self._calm), tree_of(run)
        for name in before.keys() | now.keys():
            if before.get(name) == now.get(name) or name.startswith(_NOBODY_READS):
                continue
            is_journal = name.startswith("captions/") and name.endswith(".jsonl")
            if not is_journal or _whole_lines(before.get(name)) != _whole_lines(now.get(name)):
                return False
        return True

    def _go_on(self, run: Path, name: str) -> tuple[str, list[str]]:
        """What the next run does, and what is wrong with that, before and after it is repaired."""
        before, intact = _export_of(run), self._intact_marks(run)
        ended = self._runs.run([self._runs.run_command(run)])
        wrong = [f"run: {fault}" for fault in _faults(ended)]
        after = _export_of(run)
        done = "nothing" if before == after else "mended"
        if ended.status == 0:
            if after != self._expected and not (after == before and not name.startswith("export/")):
                wrong.append("run ended well, and another export lies there")
        else:
            done = "refused"
            wrong += self._refusal_faults(ended, name)
            if after not in (before, self._expected):
                wrong.append("run was refused, and changed the export")
        asked = list(ended.asked)
        ended = self._commands(run, "repair", "--yes")
        wrong += [f"repair: {fault}" for fault in _faults(ended)]
        again = [self._runs.run_command(run), ["triptych", "verify", str(run)]]
        ended = self._runs.run(again)
        if ended.status != 0:
            wrong.append(f"not mended by repair: {_last_words(ended)}")
        elif _export_of(run) != self._expected:
            wrong.append("mended by repair, and another export lies there")
        asked += ended.asked
        if lost := len(intact & set(asked)) + len(asked) - len(set(asked)):
            wrong.append(f"{lost} captions asked for that were there, or twice")
        return done, wrong

    def _refusal_faults(self, ended: Ended, name: str) -> list[str]:
        lines = [line for line in ended.said.splitlines() if line.startswith("triptych: ")]
        if len(lines) != 1:
            return [f"{len(lines)} lines of error: {_last_words(ended)}"]
        faults = []
        twin = self._twin_of(name)
        if name not in lines[0] and (twin is None or twin not in lines[0]):
            faults.append(f"refused without the file's name: {lines[0]}")
        if "triptych repair" not in lines[0]:
            faults.append(f"refused without a remedy: {lines[0]}")
        return faults

    def _intact_marks(self, run: Path) -> set[str]:
        """The captions that lie where they were, in lines that are as they were."""
        before = tree_of(self._calm)
        found: set[str] = set()
        for name, content in tree_of(run).items():
            if content is not None and name.startswith("captions/"):
                lines = (before.get(name) or b"").splitlines(keepends=True)
                same = set(lines) & set(content.splitlines(keepends=True))
                found |= {
                    mark.decode() for line in same if not zlib.crc32(line) for mark in MARK.findall(line)
                }
        return found

    def _commands(self, run: Path, command: str, *options: str) -> Ended:
        return self._runs.run([["triptych", command, str(run), *options]])


def _whole_lines(content: bytes | None) -> list[bytes]:
    return sorted(line for line in (content or b"").split(b"\n")[:-1])


def _faults(ended: Ended) -> Iterator[str]:
    if "Traceback" in ended.said or ended.status not in (0, 1):
        yield f"ended with {ended.status}: {_last_words(ended)}"


def _last_words(ended: Ended) -> str:
    lines = [line for line in ended.said.splitlines() if line.startswith(("triptych: ", "BAD"))]
    return " | ".join((lines or ended.said.splitlines())[-3:]) or f"ended with {ended.status}"


def _export_of(run: Path) -> dict[str, bytes | None]:
    return tree_of(run / "export")
