"""Runs many trials, one after another, in several processes, from a program of its own.

Comes in: what to try and how. Goes out: one outcome per line, as JSON. It is a program of its own because
forks of a process with threads may hang, and a test process has run other tests before. Not its job: judging
outcomes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

ROOT = Path(__file__).parents[2]

MIN_FREE_BYTES = 512 * 1024 * 1024
"""For the folders of a few processes. They are in memory, as a thousand fsyncs a minute keep a disk busy."""

P = TypeVar("P")
Outcome = TypeVar("Outcome", bound=msgspec.Struct)


def outcomes_of_program(module: str, arguments: Sequence[str], kind: type[Outcome]) -> list[Outcome]:
    """The outcomes that ``python -m module`` prints, one per line."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.Decoder(kind).decode_lines(ended.stdout)


@contextlib.contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """A temporary folder, in memory if there is space, otherwise on disk."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= MIN_FREE_BYTES
    with tempfile.TemporaryDirectory(prefix=prefix, dir=memory if has_room else None) as scratch:
        yield Path(scratch)


def print_outcomes(
    chosen: Sequence[P],
    workers: int,
    folder: Path,
    trial_in: Callable[[Path], Callable[[P], msgspec.Struct | None]],
    is_wrong: Callable[[Any], object],
) -> None:
    """Try ``chosen`` in ``workers`` forked processes, each with what ``trial_in`` makes for its own folder.

    Outcomes are printed to stdout, and those that are wrong also to stderr. A trial may have no outcome.
    """
    children = []
    for number in range(workers):
        own = folder / f"worker-{number}"
        own.mkdir()
        child = os.fork()
        if child == 0:
            _try(chosen[number::workers], own, trial_in, is_wrong)
        children.append((child, own / "outcomes"))
    for child, outcomes in children:
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"a process ended with {os.waitstatus_to_exitcode(status)}")
        print(outcomes.read_text("utf-8"), end="", flush=True)


def _try(
    chosen: Sequence[P],
    own: Path,
    trial_in: Callable[[Path], Callable[[P], msgspec.Struct | None]],
    is_wrong: Callable[[Any], object],
) -> NoReturn:
    """Run the trials of one child, and end it."""
    status = 1
    try:
        attempt = trial_in(own)
        with (own / "outcomes").open("wb") as file:
            for at, each in enumerate(chosen, start=1):
                if (outcome := attempt(each)) is not None:
                    file.write(msgspec.json.encode(outcome) + b"\n")
                    if is_wrong(outcome):
                        print(outcome, file=sys.stderr, flush=True)
                if at % 100 == 0:
                    print(f"{at} of {len(chosen)}", file=sys.stderr, flush=True)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)
