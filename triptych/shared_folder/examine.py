"""Checks that a run folder's file system does what runs rely on, between processes and between nodes.

Comes in: a folder, and a way to run steps in it elsewhere: in a second process of this machine, or on each
node of a cluster. Goes out: a Finding per check. What it writes is deleted afterwards. Not its job: the steps
(see steps), this machine (see doctor).

What runs rely on:

    the same path     the folder has one path on all nodes
    locks             flock excludes other processes, of other nodes too: one driver owns a run (runs.lock)
    create once       of several that create a name, one succeeds
    rename            a file is replaced at once: readers see the old one or the new one, whole
    visible           a new or replaced file is seen elsewhere within seconds
    sync              files and folders can be synced: what is written survives a power cut
    clock             heartbeats are compared by time of day
    versions          all nodes run one Triptych, and tasks are pickled by one Python and Ray
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from triptych.captioning.engines import Finding
from triptych.errors import SetupError
from triptych.executors import ClusterConfig, PerUnit, in_order
from triptych.executors.local import LocalExecutor
from triptych.shared_folder import steps

SEEN_WITHIN_S = 2.0
"""If new files become visible later, work is slow."""

NEVER_SEEN_S = 15.0
"""If new files become visible later, a worker's results count as lost."""

CLOCK_APART_S = 5.0
"""If clocks differ by more, `triptych status` misjudges which workers are silent."""

CLOCK_TOO_FAR_S = 30.0

NEEDED_GB = 1.0


class Answer(NamedTuple):
    """The result of a step in one place."""

    where: str
    result: Any
    error: str = ""
    """Why there is no result; empty if there is one."""


Elsewhere = Callable[[steps.Step, Path], list[Answer]]
"""Runs a step in a folder everywhere else, in parallel, and waits for all answers."""


@contextlib.contextmanager
def second_process() -> Iterator[Elsewhere]:
    """One other process of this machine."""
    with LocalExecutor(["a second process"], PerUnit(_doer), purpose="tries the file system") as executor:
        yield lambda step, folder: [
            Answer("a second process", *done) for done in in_order(executor, [(step, str(folder))])
        ]


def _doer(_: str) -> Callable[[tuple[steps.Step, str]], tuple[Any, str]]:
    return lambda unit: steps.tried(*unit)


@contextlib.contextmanager
def every_node(config: ClusterConfig, folder: Path) -> Iterator[Elsewhere]:
    """All nodes of a cluster, this machine's included. Raises SetupError if there is no such cluster or
    folder."""
    from triptych.executors.ray import RayCluster  # Ray is only imported for a cluster

    cluster = RayCluster(config, _trial_folder(folder), lambda _: None)
    try:
        yield lambda step, folder: [
            Answer(host, None, lost) if lost else Answer(host, *done)
            for host, done, lost in cluster.on_each_node(steps.tried, step, str(folder))
        ]
    finally:
        cluster.close()


def _trial_folder(folder: Path) -> Path:
    """A name for a new folder in ``folder``. Raises SetupError if that is not a folder."""
    if not folder.is_dir():
        raise SetupError(f"{folder} is not a folder; name the run folder, or the folder that will contain it")
    return folder / f".triptych-doctor-{uuid.uuid4().hex[:8]}"


def examine_folder(folder: Path, elsewhere: Elsewhere) -> Iterator[Finding]:
    """One finding per check, the most important first. Raises SetupError if there is no such folder."""
    folder = folder.absolute()
    trial = _trial_folder(folder)
    try:
        trial.mkdir()
    except OSError as error:
        yield Finding("run folder", "failed", f"{folder}: {error.strerror}", "name a folder that is writable")
        return
    try:
        yield _space(folder)
        yield from _nodes(trial, elsewhere)
        yield _same_path(trial, elsewhere)
        for check in (_locks, _create_once, _rename, _visible, _sync):
            try:
                yield check(trial, elsewhere)
            except OSError as error:
                name = check.__name__.strip("_").replace("_", " ")
                yield Finding(name, "failed", f"here: {error.strerror or error}", _USE_ANOTHER)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


_USE_ANOTHER = "put the run folder on another file system (docs/cluster.md)"


def _space(folder: Path) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{free_gb:,.1f} GB free in {folder}"
    if free_gb < NEEDED_GB:
        advice = f"free some space: a run needs {NEEDED_GB:g} GB to start"
        return Finding("run folder", "failed", found, advice)
    return Finding("run folder", "ok", found)


def _nodes(trial: Path, elsewhere: Elsewhere) -> Iterator[Finding]:
    elsewhere(steps.this_node, trial)  # starts the processes, so that the next call is quick
    began, us = time.time(), steps.this_node(trial)
    answers = elsewhere(steps.this_node, trial)
    ended = time.time()
    nodes = [steps.Node(*answer.result) for answer in answers if not answer.error]
    hosts = sorted({node.host for node in nodes} - {us.host})
    yield Finding("others", "ok", f"{len(answers)} tried it, on {', '.join([*hosts, 'this machine'])}")
    others = [
        f"{node.host} has {name} {theirs}, this machine {ours}"
        for node in nodes
        for name, theirs, ours in zip(steps.Node._fields[1:4], node[1:4], us[1:4], strict=True)
        if theirs != ours
    ]
    same = f"Triptych {us.triptych}, Python {us.python}, Ray {us.ray or 'none'}"
    yield _finding("versions", others, f"{same} everywhere", "install the same on all nodes")
    # A clock that was read between two moments differs from ours at least by this.
    apart_s = [max(0.0, began - node.time, node.time - ended) for node in nodes]
    most_s = max(apart_s, default=0.0)
    far = [
        f"{node.host} is {seconds:.0f} s apart"
        for node, seconds in zip(nodes, apart_s, strict=True)
        if seconds > CLOCK_APART_S
    ]
    advice = "let NTP set the clocks of all nodes"
    if most_s > CLOCK_TOO_FAR_S or not far:
        yield _finding("clock", far, f"{most_s:.1f} s apart at most", advice)
    else:
        yield Finding("clock", "note", _few(far), advice)


def _same_path(trial: Path, elsewhere: Elsewhere) -> Finding:
    (trial / "token").write_text(trial.name)
    answers = elsewhere(partial(steps.seen, "token", NEVER_SEEN_S), trial)
    wrong = _faults(answers, lambda seen_s: "has other files there" if seen_s is None else "")
    advice = "mount one file system at the same path on all nodes"
    return _finding("same path", wrong, f"{trial.parent} is the same everywhere", advice)


def _locks(trial: Path, elsewhere: Elsewhere) -> Finding:
    with (trial / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while_held = elsewhere(steps.can_lock, trial)
    afterwards = elsewhere(steps.can_lock, trial)
    wrong = _faults(while_held, lambda locked: "got a lock that this process holds" if locked else "")
    # They try at once, so it is enough if one of them got it.
    if not wrong and not any(answer.result for answer in afterwards):
        wrong = ["a lock stayed held after its process had released it"]
    advice = "NFS: mount with version 4, or without nolock and local_lock; Lustre: with flock"
    return _finding("locks", wrong, "flock excludes the others", advice)


def _create_once(trial: Path, elsewhere: Elsewhere) -> Finding:
    with ThreadPoolExecutor(1) as beside:
        ours = beside.submit(steps.create_all, trial)
        answers = elsewhere(steps.create_all, trial)
    wrong = _faults(answers)
    won = [name for names in (ours.result(), *(a.result for a in answers if not a.error)) for name in names]
    if not wrong and len(won) != len(set(won)):
        wrong = [f"{len(won) - len(set(won))} of {steps.NAMES} names were created more than once"]
    if not wrong and len(set(won)) != steps.NAMES:
        wrong = [f"{steps.NAMES - len(set(won))} of {steps.NAMES} names were created by nobody"]
    fine = f"each of {steps.NAMES} names was created by one process"
    return _finding("create once", wrong, fine, _USE_ANOTHER)


def _rename(trial: Path, elsewhere: Elsewhere) -> Finding:
    path, done = trial / "replaced", threading.Event()
    steps.replace(path, 0)

    def replace_on() -> None:
        for number in itertools.count(1):
            if done.is_set():
                return
            steps.replace(path, number)

    with ThreadPoolExecutor(1) as beside:
        replacing = beside.submit(replace_on)
        answers = elsewhere(steps.faults_while_replaced, trial)
        done.set()
    replacing.result()
    return _finding("rename", _faults(answers, str), "a file is replaced at once", _USE_ANOTHER)


def _visible(trial: Path, elsewhere: Elsewhere) -> Finding:
    elsewhere(partial(steps.seen, "later", 0.0), trial)  # whoever has looked may cache that it doesn't exist
    steps.replace(trial / "later", 1)
    answers = elsewhere(partial(steps.seen, "later", NEVER_SEEN_S), trial)
    unseen = f"had not seen a new file after {NEVER_SEEN_S:g} s"
    never = _faults(answers, lambda seen_s: unseen if seen_s is None else "")
    late = [
        f"{each.where} saw a new file after {each.result:.1f} s"
        for each in answers
        if each.result is not None and each.result > SEEN_WITHIN_S
    ]
    advice = "NFS: mount with actimeo=1 and lookupcache=positive"
    if never or not late:
        return _finding("visible", never, "a new file is seen at once", advice)
    return Finding("visible", "note", _few(late), advice)


def _sync(trial: Path, elsewhere: Elsewhere) -> Finding:
    steps.sync(trial)
    wrong = _faults(elsewhere(steps.sync, trial))
    return _finding("sync", wrong, "files and folders can be synced", _USE_ANOTHER)


def _faults(answers: list[Answer], fault_of: Callable[[Any], str] = lambda _: "") -> list[str]:
    """A line for each answer with an error or with a fault in its result."""
    faults = ((each.where, each.error or fault_of(each.result)) for each in answers)
    return [f"{where} {fault}" for where, fault in faults if fault]


def _finding(name: str, wrong: list[str], fine: str, advice: str) -> Finding:
    return Finding(name, "failed", _few(wrong), advice) if wrong else Finding(name, "ok", fine)


def _few(lines: list[str]) -> str:
    return "; ".join(lines[:3]) + (f"; and {len(lines) - 3} more" if len(lines) > 3 else "")
