"""Whether a run folder's file system does what runs rely on, between processes and between nodes.

Comes in: a folder, and someone who tries steps in it elsewhere: a second process of this machine, or a task
on each node of a cluster. Goes out: a Finding a question. What it writes is gone afterwards. Not its job: the
steps (see steps), what is on this machine (see doctor).

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
from triptych.executors import Each, in_order
from triptych.executors.config import ClusterConfig
from triptych.executors.local import LocalExecutor
from triptych.shared_folder import steps

SEEN_WITHIN_S = 2.0
"""A new file that is seen later makes work slow."""

NEVER_SEEN_S = 15.0
"""Later, a worker's results are taken for lost."""

CLOCK_APART_S = 5.0
"""More, and `triptych status` takes live workers for silent sooner or later than they are."""

CLOCK_TOO_FAR_S = 30.0

NEEDED_GB = 1.0


class Answer(NamedTuple):
    """What came of a step somewhere."""

    where: str
    result: Any
    error: str = ""
    """Why there is no result; empty where there is one."""


Elsewhere = Callable[[steps.Step, Path], list[Answer]]
"""Does a step in a folder everywhere else, at the same time, and waits for all."""


@contextlib.contextmanager
def second_process() -> Iterator[Elsewhere]:
    """One other process of this machine."""
    with LocalExecutor(["a second process"], Each(_doer), purpose="tries the file system") as executor:
        yield lambda step, folder: [
            Answer("a second process", *done) for done in in_order(executor, [(step, str(folder))])
        ]


def _doer(_: str) -> Callable[[tuple[steps.Step, str]], tuple[Any, str]]:
    return lambda unit: steps.tried(*unit)


@contextlib.contextmanager
def every_node(config: ClusterConfig, folder: Path) -> Iterator[Elsewhere]:
    """All nodes of a cluster, this machine's among them. Raises SetupError where there is no such cluster or
    folder."""
    from triptych.executors.ray import RayCluster  # not where nobody asks for a cluster

    refuse_no_folder(folder)
    cluster = RayCluster(config, folder / f".triptych-doctor-{uuid.uuid4().hex[:8]}", lambda _: None)
    try:
        yield lambda step, folder: [
            Answer(host, None, lost) if lost else Answer(host, *done)
            for host, done, lost in cluster.on_each_node(steps.tried, step, str(folder))
        ]
    finally:
        cluster.close()


def refuse_no_folder(folder: Path) -> None:
    """Raise SetupError where ``folder`` is none."""
    if not folder.is_dir():
        raise SetupError(f"{folder} is no folder; name the run folder, or the folder that it will lie in")


def examine_folder(folder: Path, elsewhere: Elsewhere) -> Iterator[Finding]:
    """One finding a question, in the order in which they matter. Raises SetupError where there is no such
    folder."""
    folder = folder.absolute()
    refuse_no_folder(folder)
    trial = folder / f".triptych-doctor-{uuid.uuid4().hex[:8]}"
    try:
        trial.mkdir()
    except OSError as error:
        yield Finding(
            "run folder", "failed", f"{folder}: {error.strerror}", "name a folder that can be written"
        )
        return
    try:
        yield _space(folder)
        yield from _nodes(trial, elsewhere)
        yield _same_path(trial, elsewhere)
        for question in (_locks, _created_once, _rename, _visible, _sync):
            yield _answered(question, trial, elsewhere)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


Question = Callable[[Path, Elsewhere], Finding]


def _answered(question: Question, trial: Path, elsewhere: Elsewhere) -> Finding:
    try:
        return question(trial, elsewhere)
    except OSError as error:
        name = question.__name__.strip("_").replace("_", " ")
        return Finding(name, "failed", f"here: {error.strerror or error}", _USE_ANOTHER)


_USE_ANOTHER = "put the run folder on another file system (docs/cluster.md)"


def _space(folder: Path) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    found = f"{free_gb:,.1f} GB free in {folder}"
    if free_gb < NEEDED_GB:
        return Finding(
            "run folder", "failed", found, f"free some space: a run needs {NEEDED_GB:g} GB to begin"
        )
    return Finding("run folder", "ok", found)


def _nodes(trial: Path, elsewhere: Elsewhere) -> Iterator[Finding]:
    elsewhere(steps.who, trial)  # the first time a process has to be started there
    began, us = time.time(), steps.who(trial)
    answers = elsewhere(steps.who, trial)
    ended = time.time()
    there = [steps.Node(*answer.result) for answer in answers if not answer.error]
    hosts = sorted({node.host for node in there} - {us.host})
    yield Finding("others", "ok", f"{len(answers)} tried it, on {', '.join([*hosts, 'this machine'])}")
    others = [
        f"{node.host} has {name} {theirs}, this machine {ours}"
        for node in there
        for name, theirs, ours in zip(steps.Node._fields[1:4], node[1:4], us[1:4], strict=True)
        if theirs != ours
    ]
    same = f"Triptych {us.triptych}, Python {us.python}, Ray {us.ray or 'none'}"
    yield _of("versions", others, f"{same} everywhere", "install the same on all nodes")
    apart_s = max((_apart_s(node.at, began, ended) for node in there), default=0.0)
    far = [f"{n.host} is {_apart_s(n.at, began, ended):.0f} s apart" for n in there
           if _apart_s(n.at, began, ended) > CLOCK_APART_S]  # fmt: skip
    advice = "let NTP set the clocks of all nodes"
    if apart_s > CLOCK_TOO_FAR_S or not far:
        yield _of("clock", far, f"{apart_s:.1f} s apart at most", advice)
    else:
        yield Finding("clock", "missing", _few(far), advice)


def _apart_s(at: float, began: float, ended: float) -> float:
    """How far a clock is from ours at least, where it was read between two moments."""
    return max(0.0, began - at, at - ended)


def _same_path(trial: Path, elsewhere: Elsewhere) -> Finding:
    (trial / "token").write_text(trial.name)
    wrong = [
        f"{answer.where} {answer.error or 'has other files there'}"
        for answer in elsewhere(partial(steps.seen, "token", NEVER_SEEN_S), trial)
        if answer.error or answer.result is None
    ]
    advice = "mount one file system at the same path on all nodes"
    return _of("same path", wrong, f"{trial.parent} is the same everywhere", advice)


def _locks(trial: Path, elsewhere: Elsewhere) -> Finding:
    with (trial / "lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        while_held = elsewhere(steps.can_lock, trial)
    afterwards = elsewhere(steps.can_lock, trial)
    wrong = [f"{a.where} {a.error or 'got a lock that this process holds'}" for a in while_held
             if a.error or a.result]  # fmt: skip
    # Several try at once now: that one of them got it is enough.
    if not wrong and not any(answer.result for answer in afterwards):
        wrong = ["a lock stayed held when its process had let it go"]
    advice = "NFS: mount with version 4, or without nolock and local_lock; Lustre: with flock"
    return _of("locks", wrong, "flock excludes the others", advice)


def _created_once(trial: Path, elsewhere: Elsewhere) -> Finding:
    with ThreadPoolExecutor(1) as beside:
        ours = beside.submit(steps.create_all, trial)
        answers = elsewhere(steps.create_all, trial)
    wrong = [f"{answer.where} {answer.error}" for answer in answers if answer.error]
    won = [name for names in (ours.result(), *(a.result for a in answers if not a.error)) for name in names]
    if not wrong and len(won) != len(set(won)):
        wrong = [f"{len(won) - len(set(won))} of {steps.NAMES} names were created more than once"]
    if not wrong and len(set(won)) != steps.NAMES:
        wrong = [f"{steps.NAMES - len(set(won))} of {steps.NAMES} names were created by nobody"]
    return _of("create once", wrong, f"each of {steps.NAMES} names was created by one process", _USE_ANOTHER)


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
    wrong = [f"{answer.where} {answer.error or answer.result}" for answer in answers
             if answer.error or answer.result]  # fmt: skip
    return _of("rename", wrong, "a file is replaced at once", _USE_ANOTHER)


def _visible(trial: Path, elsewhere: Elsewhere) -> Finding:
    elsewhere(partial(steps.seen, "later", 0.0), trial)  # who has looked may remember that nothing was there
    steps.replace(trial / "later", 1)
    answers = elsewhere(partial(steps.seen, "later", NEVER_SEEN_S), trial)
    never = [f"{a.where} {a.error or f'had not seen a new file after {NEVER_SEEN_S:g} s'}" for a in answers
             if a.error or a.result is None]  # fmt: skip
    late = [f"{a.where} saw a new file after {a.result:.1f} s" for a in answers
            if a.result is not None and a.result > SEEN_WITHIN_S]  # fmt: skip
    advice = "NFS: mount with actimeo=1 and lookupcache=positive"
    if never or not late:
        return _of("visible", never, "a new file is seen at once", advice)
    return Finding("visible", "missing", _few(late), advice)


def _sync(trial: Path, elsewhere: Elsewhere) -> Finding:
    steps.synced(trial)
    wrong = [f"{answer.where} {answer.error}" for answer in elsewhere(steps.synced, trial) if answer.error]
    return _of("sync", wrong, "files and folders can be synced", _USE_ANOTHER)


def _of(name: str, wrong: list[str], fine: str, advice: str) -> Finding:
    return Finding(name, "failed", _few(wrong), advice) if wrong else Finding(name, "ok", fine)


def _few(lines: list[str]) -> str:
    return "; ".join(lines[:3]) + (f"; and {len(lines) - 3} more" if len(lines) > 3 else "")
