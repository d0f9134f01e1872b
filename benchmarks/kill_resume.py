"""Kill a run at seeded moments, resume it each time, and compare its export with that of an undisturbed run.

python -m benchmarks.kill_resume IMAGES [--kills 20] [--seed 1]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.killed_runs import (
    bytes_in,
    export_digests,
    moments,
    run_and_kill,
    run_undisturbed,
    triptych_run,
)


@click.command()
@click.argument("images", type=click.Path(path_type=Path, exists=True))
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(images: Path, kills: int, seed: int) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        calm, killed = Path(scratch, "calm"), Path(scratch, "killed")
        run_undisturbed(triptych_run(images, calm))
        landed = []
        for at_bytes, more_s in moments(seed, kills, bytes_in(calm)):
            if run_and_kill(triptych_run(images, killed), killed, at_bytes, more_s):
                landed.append(at_bytes)
        run_undisturbed(triptych_run(images, killed))
        expected, found = export_digests(calm), export_digests(killed)
    record(
        "kill_resume",
        f"python -m benchmarks.kill_resume IMAGES --kills {kills} --seed {seed}",
        {
            "kills_asked": kills,
            "kills_landed": len(landed),
            "killed_at_bytes": landed,
            "export_files": len(expected),
            "export_is_byte_identical": expected == found,
        },
    )
    if expected != found or not expected:
        sys.exit(1)


if __name__ == "__main__":
    main()
