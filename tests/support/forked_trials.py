"""Many trials, one after the other, by several processes, from a program of its own.

Children of a process with threads may hang, and a test process has run others before. Comes in: what to try
and how. Goes out: an outcome a line, as JSON. Not its job: what is right or wrong.
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
"""For the folders of a few processes. In memory, as a thousand fsyncs a minute take a disk all its time."""

P = TypeVar("P")
Outcome = TypeVar("Outcome", bound=msgspec.Struct)


def outcomes_of_program(module: str, arguments: Sequence[str], kind: type[Outcome]) -> list[Outcome]:
    """What ``python -m module`` prints, one a line."""
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
    """A folder in memory where there is room, else on disk; gone afterwards."""
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
    """Try ``chosen`` in so many forked processes, each with ``trial_in`` a folder of its own.

    Outcomes go to stdout; those that ``is_wrong`` to stderr as well. A trial without an outcome is left out.
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
    """A child's."""
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
