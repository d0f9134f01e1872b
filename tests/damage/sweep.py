"""Many damages, one after the other, by several processes: ``python -m tests.damage.sweep``.

Comes in: how many, a seed. Goes out: an Outcome a line, as JSON. It is a program of its own because children
of a process with threads may hang: a test process has run others before. Not its job: what is right or wrong
(see trials).
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

from tests.crash.sweep import MIN_FREE_BYTES, ROOT
from tests.damage.trials import DamageTrials, Outcome


def sweep(*, damages: int, seed: int = 1, workers: int = 1) -> list[Outcome]:
    """Try ``damages``, drawn from all kinds in turn."""
    command = [
        sys.executable,
        "-m",
        "tests.damage.sweep",
        f"{damages}",
        f"--seed={seed}",
        f"--workers={workers}",
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    return msgspec.json.Decoder(Outcome).decode_lines(ended.stdout)


@click.command()
@click.argument("damages", type=int)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=1, show_default=True)
@click.option("--only", default="", help="Files whose names begin so.")
def main(damages: int, seed: int, workers: int, only: str) -> None:
    """Print an outcome a line; on stderr those that were wrong."""
    memory = Path("/dev/shm")
    has_room = memory.is_dir() and shutil.disk_usage(memory).free >= MIN_FREE_BYTES
    with tempfile.TemporaryDirectory(prefix="damage-", dir=memory if has_room else None) as scratch:
        folder = Path(scratch)
        trials = DamageTrials(folder, seed)
        chosen = drawn([each for each in trials.all() if each[0].startswith(only)], damages, seed)
        print(f"{len(trials.all())} ways, {len(chosen)} damages", file=sys.stderr)
        for outcome in _in_processes(trials, chosen, workers, folder):
            print(msgspec.json.encode(outcome).decode(), flush=True)


def drawn(ways: Sequence[tuple[str, str]], damages: int, seed: int) -> list[tuple[str, str, int]]:
    """``damages`` of all ways in a random order, each once before one comes again, at another place then."""
    rng = random.Random(seed)
    chosen: list[tuple[str, str, int]] = []
    for turn in range(-(-damages // len(ways))):
        shuffled = list(ways)
        rng.shuffle(shuffled)
        chosen += [(name, kind, turn) for name, kind in shuffled]
    return chosen[:damages]


def _in_processes(
    trials: DamageTrials, chosen: Sequence[tuple[str, str, int]], workers: int, folder: Path
) -> Iterator[Outcome]:
    children = []
    for number in range(workers):
        own = folder / f"worker-{number}"
        own.mkdir()
        child = os.fork()
        if child == 0:
            _try(trials.in_folder(own), chosen[number::workers], own / "outcomes")
        children.append((child, own / "outcomes"))
    for child, outcomes in children:
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"a process ended with {os.waitstatus_to_exitcode(status)}")
        yield from msgspec.json.Decoder(Outcome).decode_lines(outcomes.read_bytes())


def _try(trials: DamageTrials, chosen: Sequence[tuple[str, str, int]], outcomes: Path) -> None:
    """A child's. Never returns."""
    status = 1
    try:
        with outcomes.open("wb") as file:
            for at, (name, kind, number) in enumerate(chosen, start=1):
                outcome = trials.attempt(name, kind, number)
                if outcome is not None:
                    file.write(msgspec.json.encode(outcome) + b"\n")
                    if outcome.wrong:
                        print(outcome, file=sys.stderr, flush=True)
                if at % 100 == 0:
                    print(f"{at} of {len(chosen)}", file=sys.stderr, flush=True)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
