"""Many faults, one after the other, by several processes: ``python -m tests.crash.sweep``.

Comes in: which share of all points, a seed. Goes out: an Outcome a line, as JSON. It is a program of its own
because children of a process with threads may hang: a test process has run others before. Not its job: what
is right or wrong (see points).
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import msgspec

from tests.crash.points import KINDS, CrashPoints, Outcome, first_run, made_again, second_run

ROOT = Path(__file__).parents[2]

MIN_FREE_BYTES = 512 * 1024 * 1024
"""For the folders of a few processes. In memory, as a thousand fsyncs a minute take a disk all its time."""


Point = tuple[CrashPoints, str, int]


def sweep(*, points: int | None = None, seed: int = 1, workers: int = 1) -> list[Outcome]:
    """Try ``points`` of all points, drawn evenly from the kinds of faults; all where None is given."""
    command = [sys.executable, "-m", "tests.crash.sweep", f"--seed={seed}", f"--workers={workers}"]
    if points is not None:
        command.append(f"--points={points}")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return msgspec.json.Decoder(Outcome).decode_lines(ended.stdout)


@click.command()
@click.option("--points", type=int)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=1, show_default=True)
def main(points: int | None, seed: int, workers: int) -> None:
    """Print an outcome a line; on stderr those that did not survive."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= MIN_FREE_BYTES
    with tempfile.TemporaryDirectory(prefix="crash-", dir=memory if has_room else None) as scratch:
        folder = Path(scratch)
        for name in ("first", "second", "again"):
            (folder / name).mkdir()
        first = first_run(folder / "first", seed)
        runs = (first, second_run(folder / "second", first, seed), made_again(folder / "again", first, seed))
        chosen = drawn(runs, points, seed)
        print(f"{len(chosen)} faults", file=sys.stderr)
        for outcome in _in_processes(chosen, workers, folder):
            print(msgspec.json.encode(outcome).decode(), flush=True)


def drawn(runs: Sequence[CrashPoints], points: int | None, seed: int) -> list[Point]:
    """Points in a random order, from each kind as many."""
    rng = random.Random(seed)
    chosen: list[Point] = []
    for kind in KINDS:
        of_kind = [(run, *point) for run in runs for point in run.points([kind])]
        rng.shuffle(of_kind)
        chosen += of_kind if points is None else of_kind[: -(-points // len(KINDS))]
    rng.shuffle(chosen)
    return chosen[:points]


def _in_processes(chosen: Sequence[Point], workers: int, folder: Path) -> Iterator[Outcome]:
    children = []
    for number in range(workers):
        own = folder / f"worker-{number}"
        own.mkdir()
        child = os.fork()
        if child == 0:
            _strike(chosen[number::workers], own)
        children.append((child, own / "outcomes"))
    for child, outcomes in children:
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"a process ended with {os.waitstatus_to_exitcode(status)}")
        yield from msgspec.json.Decoder(Outcome).decode_lines(outcomes.read_bytes())


def _strike(chosen: Sequence[Point], folder: Path) -> None:
    """A child's. Never returns."""
    status = 1
    try:
        with (folder / "outcomes").open("wb") as file:
            for at, (run, kind, number) in enumerate(chosen, start=1):
                outcome = run.in_folder(folder).attempt(kind, number)
                file.write(msgspec.json.encode(outcome) + b"\n")
                if not outcome.survived:
                    print(outcome, file=sys.stderr, flush=True)
                if at % 100 == 0:
                    print(f"{at} of {len(chosen)}", file=sys.stderr, flush=True)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
