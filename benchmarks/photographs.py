"""Send real photographs through all stages, and account for every file.

    python -m benchmarks.photographs FOLDER

The embedded models were not trained on photographs: this shows that no file is lost, not that captions are
good.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.killed_runs import triptych_run
from triptych.sources.file_names import is_passed_over


def count_files(folder: Path) -> int:
    """Every file below ``folder`` that isn't a sidecar; a tar counts its members instead of itself."""
    total = 0
    for path in folder.rglob("*"):
        if path.suffix == ".tar":
            with tarfile.open(path) as archive:
                total += sum(member.isfile() and not is_passed_over(member.name) for member in archive)
        elif path.is_file() and not is_passed_over(path.name):
            total += 1
    return total


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Run, verify and record the counts; exit 1 if a file is missing from them."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "run")
        answer = subprocess.run(triptych_run(folder, out), capture_output=True, text=True)
        verified = subprocess.run(
            [sys.executable, "-m", "triptych", "verify", str(out)], capture_output=True, text=True
        )
        status = subprocess.run(
            [sys.executable, "-m", "triptych", "status", str(out), "--json"], capture_output=True, check=True
        )
    ledger = json.loads(status.stdout)["ledger"]
    files = count_files(folder)
    record(
        "photographs",
        "python -m benchmarks.photographs FOLDER",
        {
            "files": files,
            "accounted_for": ledger["images"]["found"],
            "run_exit_code": answer.returncode,
            "verify_exit_code": verified.returncode,
            "says_that_captions_mean_nothing": "captions of any other picture mean nothing" in answer.stderr,
            "ledger": ledger,
        },
    )
    is_sound = files == ledger["images"]["found"] and answer.returncode == verified.returncode == 0
    sys.exit(0 if is_sound else 1)


if __name__ == "__main__":
    main()
