"""Damages a run, and checks what commands report, what the next run does, and whether it can be repaired.

Comes in: a run in some state, one of its files, a kind of damage. Goes out: an Outcome with everything wrong
afterwards. Damage to a finished run must be detected by verify, unless it provably changes nothing; damage to
an unfinished one by the stage that would use the file. No command may end in a traceback. The next
run must refuse, or repair the damage and make the same export. After `triptych repair` the run must end as if
nothing had happened. Not its job: kinds of damage (see damages), states of the run (see states).
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
from tests.crash.points import first_run
from tests.crash.runs import Ended
from tests.damage.damages import kinds_for
from tests.damage.states import State, export_commands, exports_of, states_of
from triptych.runs import digest_cache

REMOVED, SWAPPED = "removed", "swapped with another file"

_NOBODY_READS = (".lock", ".digests.json", ".counts/", "report/", "logs/", "unpacked/", "workers/")
"""Files that no result depends on: damage to them only costs time, or changes a speed in `status`."""


_NOTES = "grouping/embedded/"
"""The folder with the digests of embedded shards."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one damage."""

    state: str
    """The state of the run when it was damaged."""
    name: str
    kind: str
    is_harmless: bool
    """Whether it changes nothing that a stage or a reader uses."""
    is_seen: bool
    """Whether verify detected it or, in an unfinished run, the next run, by refusing or repairing it."""
    run: str
    """What the next run did: mended (it repaired the export), refused, or nothing."""
    wrong: list[str]

    def __str__(self) -> str:
        return f"{self.state}: {self.name}, {self.kind}: {'; '.join(self.wrong) or 'as it should be'}"


class DamageTrials:
    """One run in several states, which is damaged again and again. Its files are in ``folder``."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        (folder / "first").mkdir()
        first = first_run(folder / "first", seed)
        digest_cache.MIN_AGE_S = -1e9  # digests are always cached
        self._runs = first.runs
        self._states = {state.name: state for state in states_of(folder, first)}

    def in_folder(self, folder: Path) -> Self:
        """A copy with its own files, for another process."""
        other = copy(self)
        other._folder, other._runs = folder, self._runs.in_folder(folder)
        return other

    def all(self) -> list[tuple[str, str, str]]:
        """Every state with each of its files, and each of these with every kind of damage that suits it."""
        return [(state.name, *way) for state in self._states.values() for way in self._ways(state)]

    def _ways(self, state: State) -> Iterator[tuple[str, str]]:
        for path in sorted(path for path in state.run.rglob("*") if path.is_file()):
            name = path.relative_to(state.run).as_posix()
            if name == ".lock" or not name.startswith(state.damaged):
                continue
            yield name, REMOVED
            if _twin_of(state, name) is not None:
                yield name, SWAPPED
            for kind in kinds_for(path) if path.stat().st_size else ():
                yield name, kind

    def attempt(self, state_name: str, name: str, kind: str, number: int) -> Outcome | None:
        """Damage a run, examine it, run it again, and repair it. None if the damage changed no byte."""
        state = self._states[state_name]
        shutil.rmtree(self._folder / "trial", ignore_errors=True)
        run = Path(shutil.copytree(state.run, self._folder / "trial" / "run"))
        rng = random.Random(f"{self._seed} {state_name} {name} {kind} {number}")
        _damage(state, run, name, kind, rng)
        if tree_of(run) == tree_of(state.run):
            return None
        is_harmless = _is_harmless(state, run)
        examined = {command: self._commands(run, command) for command in ("status", "verify", "report")}
        wrong = [f"{command}: {fault}" for command, ended in examined.items() for fault in _faults(ended)]
        is_seen = examined["verify"].status != 0
        if state.is_finished and not is_seen and not is_harmless:
            wrong.append("verify doesn't see it")
        done, more = self._run_and_repair(state, run, name)
        if not state.is_finished:
            is_seen = done == "refused" or not more
        return Outcome(
            state=state_name,
            name=name,
            kind=kind,
            is_harmless=is_harmless,
            is_seen=is_seen,
            run=done,
            wrong=[*wrong, *more],
        )

    def _run_and_repair(self, state: State, run: Path, name: str) -> tuple[str, list[str]]:
        """What the next run does, and everything wrong with it, before and after `triptych repair`."""
        before, intact = exports_of(run), _intact_marks(state, run)
        ended = self._runs.run([self._runs.run_command(run)])
        wrong = [f"run: {fault}" for fault in _faults(ended)]
        after = exports_of(run)
        done = "nothing" if before == after else "mended"
        if ended.status == 0:
            is_left = state.is_finished and after == before and not name.startswith("export/")
            if after != state.expected and not is_left:
                wrong.append("run ended well, and another export lies there")
        else:
            done = "refused"
            wrong += _refusal_faults(state, ended, name)
            if after not in (before, state.expected):
                wrong.append("run was refused, and changed the export")
        asked = list(ended.asked)
        ended = self._commands(run, "repair", "--yes")
        wrong += [f"repair: {fault}" for fault in _faults(ended)]
        again = [
            self._runs.run_command(run),
            *export_commands(run, state.exports),
            ["triptych", "verify", str(run)],
        ]
        ended = self._runs.run(again)
        if ended.status != 0:
            wrong.append(f"not mended by repair: {_last_words(ended)}")
        elif exports_of(run) != state.expected:
            wrong.append("mended by repair, and another export lies there")
        asked += ended.asked
        if lost := len(intact & set(asked)) + len(asked) - len(set(asked)):
            wrong.append(f"{lost} captions asked for that were there, or twice")
        return done, wrong

    def _commands(self, run: Path, command: str, *options: str) -> Ended:
        return self._runs.run([["triptych", command, str(run), *options]])


def _damage(state: State, run: Path, name: str, kind: str, rng: random.Random) -> None:
    path = run / name
    if kind == REMOVED:
        path.unlink()
    elif kind == SWAPPED:
        twin = run / str(_twin_of(state, name))
        one, other = path.read_bytes(), twin.read_bytes()
        path.write_bytes(other)
        twin.write_bytes(one)
    else:
        path.write_bytes(kinds_for(path)[kind](path.read_bytes(), rng))


def _twin_of(state: State, name: str) -> str | None:
    """Another file with the same suffix in the same folder of the run."""
    path = Path(name)
    if len(path.parts) == 1:
        return None
    alike = sorted((state.run / path.parts[0]).rglob(f"*{path.suffix}"))
    names = [p.relative_to(state.run).as_posix() for p in alike]
    at = names.index(name)
    return names[at - 1] if len(names) > 1 else None


def _is_harmless(state: State, run: Path) -> bool:
    """Whether only files that nobody reads differ, or the order of complete lines in journals."""
    before, now = tree_of(state.run), tree_of(run)
    for name in before.keys() | now.keys():
        if before.get(name) == now.get(name) or name.startswith(_NOBODY_READS):
            continue
        is_journal = name.startswith("captions/") and name.endswith(".jsonl")
        if not is_journal or _whole_lines(before.get(name)) != _whole_lines(now.get(name)):
            return False
    return True


def _refusal_faults(state: State, ended: Ended, name: str) -> list[str]:
    lines = [line for line in ended.output.splitlines() if line.startswith("triptych: ")]
    if len(lines) != 1:
        return [f"{len(lines)} lines of error: {_last_words(ended)}"]
    faults = []
    expected_names = [name, _twin_of(state, name) or name]
    expected_names += [f"shard {each.split('/', 3)[-1].removesuffix('.jsonl')} " for each in expected_names]
    if name.startswith(_NOTES):  # errors name the shard's files instead
        expected_names = [f"/{each.removeprefix(_NOTES).removesuffix('.sha256')}." for each in expected_names]
    if not any(each in lines[0] for each in expected_names):
        faults.append(f"refused without the file's name: {lines[0]}")
    if "triptych repair" not in lines[0]:
        faults.append(f"refused without a remedy: {lines[0]}")
    return faults


def _intact_marks(state: State, run: Path) -> set[str]:
    """The marks of captions that count and are still in unchanged lines of the same file."""
    before = tree_of(state.run)
    found: set[str] = set()
    for name, content in tree_of(run).items():
        if content is not None and name.startswith(state.captions):
            lines = (before.get(name) or b"").splitlines(keepends=True)
            same = set(lines) & set(content.splitlines(keepends=True))
            found |= {mark.decode() for line in same if not zlib.crc32(line) for mark in MARK.findall(line)}
    return found


def _whole_lines(content: bytes | None) -> list[bytes]:
    return sorted(line for line in (content or b"").split(b"\n")[:-1])


def _faults(ended: Ended) -> Iterator[str]:
    if "Traceback" in ended.output or ended.status not in (0, 1):
        yield f"ended with {ended.status}: {_last_words(ended)}"


def _last_words(ended: Ended) -> str:
    lines = [line for line in ended.output.splitlines() if line.startswith(("triptych: ", "BAD"))]
    return " | ".join((lines or ended.output.splitlines())[-3:]) or f"ended with {ended.status}"
