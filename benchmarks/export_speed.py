"""The speed of exporting millions of captions, compared with other ways to write rows.

    python -m benchmarks.export_speed [--rows 11000000] [--scratch FOLDER]     # on a disk
    python -m benchmarks.export_speed --in-memory [--rows 5000000]             # in a memory file system

Makes a run with captions of InternVL-SA-1B-Caption's length (see synthetic_run), in the state in which
`triptych filter` leaves it: with remembered digests of images, sets and captions. Then measures, three times
in turns:

- ``export``: the whole stage (``export.stage.export_run``) in its own process, which reads images, captions
  and verdicts, recounts them, and makes, hashes, writes and syncs the rows;
- ``rows``: the part of that which makes and writes the rows, from the run folder's files to the synced file;
- peers, on the first ``--peer-rows`` exported rows, which each gets in memory in its own form:
  ``json.dumps`` line by line, ``pandas.DataFrame.to_json``, and ``datasets.Dataset.to_json`` in one process
  and in as many as there are cores. They don't read, join, hash, count or sync, and their time per row
  doesn't depend on the number of rows;
- ``json_from_files``: a plain loop that reads the same three files per shard with ``json.loads`` and writes
  rows with ``json.dumps``, on the shards of the first ``--peer-rows``: the work of ``rows`` in plain Python;
- ``bytes_alone``, only on a disk: the same number of random bytes, written and synced in two ways. The faster
  one is the limit for any program that writes to this disk.

All write into the same folder in ``--scratch``, which is removed at the end. 11 million rows need 35 GB and
about ten minutes on two cores; 5 million in memory need 17 GB and five minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks.export_peers import Write, bytes_alone, json_from_files, peers_in_memory
from benchmarks.record import record, refuse_dirty_tree
from benchmarks.stopwatch import PeakMemory, Stopwatch
from benchmarks.synthetic_run import ROWS_A_SHARD, make_run
from tests.support.contexts import JOBS, context_of
from triptych.export.containers.rows_file import WRITE_BACK_BYTES
from triptych.progress import Silent
from triptych.prompts import load_prompt
from triptych.runs.captions_digest import captions_digest
from triptych.runs.digest_cache import MIN_AGE_S
from triptych.runs.folder import RunFolder

BYTES_A_ROW = 3_100
"""In the scratch folder: images, captions and verdicts 910, the export 1,035, ``bytes_alone`` the same."""

PEER_BYTES_A_ROW = 2_500
MEMORY_FILE_SYSTEM = Path("/dev/shm")
ROWS_ON_DISK, ROWS_IN_MEMORY = 11_000_000, 5_000_000

RUNS = 3
MIN_RATIO = 3.0
MAX_MEMORY_MIB = 600

JOB = "single_en"

Measured = dict[str, float]


def remember_digests(run: RunFolder) -> None:
    """Store the digests that the stages before export leave in a run folder."""
    time.sleep(MIN_AGE_S)  # Digests of younger files are not remembered.
    for name in ("images", "sets.jsonl", "duplicates.jsonl"):
        run.digest(name)
    captions_digest(run, [JOBS[JOB]])


# -- the export, in its own process -------------------------------------------------------------------


def export_here(folder: Path) -> Measured:
    """Time the whole stage on a run that was never exported, and the writing of rows in it."""
    from triptych.export import job_files, stage
    from triptych.export.config import ExportConfig
    from triptych.export.job_files import JobFiles

    rows_watch = Stopwatch()
    write_rows = job_files.write_rows

    def timed(*arguments: Any) -> JobFiles:
        with rows_watch:
            return write_rows(*arguments)

    job_files.write_rows = timed  # type: ignore[assignment]
    with Stopwatch() as whole:
        stage.export_run(context_of(RunFolder.open(folder), JOB), ExportConfig())
    with Stopwatch() as again:
        stage.export_run(context_of(RunFolder.open(folder), JOB), ExportConfig())
    return {
        "export_s": whole.wall_s,
        "export_cpu_s": whole.cpu_s,
        "rows_s": rows_watch.wall_s,
        "rows_cpu_s": rows_watch.cpu_s,
        "again_s": again.wall_s,
    }


def verify_here(folder: Path) -> Measured:
    """Time the part of `triptych verify` that checks the export."""
    from triptych.export.check.export import check_export

    with Stopwatch() as watch:
        checks, offences = check_export(RunFolder.open(folder), Silent())
    if offences or not checks:
        raise SystemExit(f"verify found {offences[:1]}")
    return {"verify_s": watch.wall_s, "verify_cpu_s": watch.cpu_s}


def in_a_process(what: str, folder: Path) -> Measured:
    """Run ``export_here`` or ``verify_here`` in a new process; its result, with its peak memory."""
    command = [sys.executable, "-m", "benchmarks.export_speed", "--only", what, "--scratch", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = PeakMemory(child.pid)
    printed, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{what} failed")
    measured: Measured = json.loads(printed)
    return measured | {f"{what}_peak_memory_mib": round(peak.stop())}


def fresh_export(run: RunFolder) -> Measured:
    """Export again, after removing an earlier export."""
    RunFolder.open(run.path).discard("export")
    return in_a_process("export", run.path)


# -- the benchmark ------------------------------------------------------------------------------------


def measure(
    run: RunFolder, rows: int, peer_rows: int, scratch: Path, *, on_disk: bool, verify: bool
) -> dict[str, object]:
    """Measure everything in turns, RUNS times."""
    exports, others = [fresh_export(run)], defaultdict(list)
    exported = rows_file(run)
    size_bytes = exported.stat().st_size
    peers = peers_in_memory(first_rows(exported, peer_rows), scratch)
    shards = run.shards()[: max(1, peer_rows // ROWS_A_SHARD)]
    peers["json_from_files"] = partial(json_from_files, run, JOB, shards, load_prompt(JOBS[JOB]).text)
    limits: dict[str, Write] = {}
    if on_disk:
        limits["bytes_alone"] = partial(bytes_alone, size_bytes, None)
        limits["bytes_alone_handed_over"] = partial(bytes_alone, size_bytes, WRITE_BACK_BYTES)
    made = dict.fromkeys(peers, peer_rows) | dict.fromkeys(limits, rows)
    made["json_from_files"] = check_same_rows(peers["json_from_files"], exported, scratch)
    for turn in range(RUNS):
        if turn:
            exports.append(fresh_export(run))
        for name, write in (peers | limits).items():
            others[name].append(timed(write, scratch))
    per_s = {
        name: (
            made[name] / statistics.median(watch.wall_s for watch in watches),
            made[name] / statistics.median(watch.cpu_s for watch in watches),
        )
        for name, watches in others.items()
    }
    ours = {name: statistics.median(one[name] for one in exports) for name in exports[0]}
    if verify:
        ours |= in_a_process("verify", run.path)
    ours["bytes_a_row"] = size_bytes / rows
    every_export_s = [round(one["export_s"], 1) for one in exports]
    return {"rows": rows, "peer_rows": peer_rows, "runs": RUNS, "every_export_s": every_export_s} | result_of(
        rows, ours, per_s, [name for name in peers if name != "json_from_files"], list(limits)
    )


def timed(write: Write, scratch: Path) -> Stopwatch:
    """Time ``write`` on a new file in ``scratch``, and remove the file."""
    out = scratch / "peer"
    with Stopwatch() as watch:
        write(out)
    out.unlink()
    return watch


def rows_file(run: RunFolder) -> Path:
    (path,) = run.export_folder.glob("*.jsonl")
    return path


def first_rows(exported: Path, count: int) -> list[dict[str, object]]:
    with exported.open("rb") as file:
        return [json.loads(line) for line, _ in zip(file, range(count), strict=False)]


def check_same_rows(write: Write, exported: Path, scratch: Path) -> int:
    """How many rows the plain loop makes; each must equal the exported one, except for whitespace."""
    out = scratch / "peer"
    write(out)
    made = 0
    with out.open("rb") as file, exported.open("rb") as ours:
        for line, expected in zip(file, ours, strict=False):
            if json.loads(line) != json.loads(expected):
                raise SystemExit(f"row {made + 1} of the plain loop differs from export's")
            made += 1
    out.unlink()
    return made


def result_of(
    rows: int, ours: Measured, per_s: dict[str, tuple[float, float]], in_memory: list[str], limits: list[str]
) -> dict[str, object]:
    """Rows per second, ratios and bounds. ``per_s``: rows per second of wall and of CPU time."""
    wall = {name: speed for name, (speed, _) in per_s.items()}
    speeds = {"rows": rows / ours["rows_s"], "export": rows / ours["export_s"]}

    def ratios(to: Callable[[dict[str, float]], float]) -> dict[str, float]:
        return {name: round(speed / to(wall), 2) for name, speed in speeds.items()}

    result: dict[str, object] = {
        "load_average_at_end": os.getloadavg()[0],
        "ours": {name: round(value, 1) for name, value in ours.items()},
        "rows_per_s": {name: round(speed) for name, speed in (speeds | wall).items()},
        "cpu_us_a_row": {
            "rows": round(ours["rows_cpu_s"] / rows * 1e6, 2),
            "export": round(ours["export_cpu_s"] / rows * 1e6, 2),
            **{name: round(1e6 / speed, 2) for name, (_, speed) in per_s.items()},
        },
        "ratio_to_fastest_peer_in_memory": ratios(lambda wall: max(wall[name] for name in in_memory)),
        "ratio_to_json_from_files": ratios(lambda wall: wall["json_from_files"]),
        "wanted": {"ratio": MIN_RATIO, "memory_mib": MAX_MEMORY_MIB},
    }
    if limits:
        result["share_of_the_disks_limit"] = ratios(lambda wall: max(wall[name] for name in limits))
    return result


@click.command()
@click.option("--rows", type=int, help="[default: 11 million, in memory 5 million]")
@click.option("--peer-rows", default=500_000, show_default=True)
@click.option("--scratch", type=click.Path(path_type=Path), help="A folder; 11 million rows need 35 GB.")
@click.option("--in-memory", is_flag=True, help=f"Write to {MEMORY_FILE_SYSTEM}: 17 GB for 5 million rows.")
@click.option("--verify", is_flag=True, help="Also measure how long `triptych verify` takes for the export.")
@click.option("--only", type=click.Choice(["export", "verify"]), hidden=True)
def main(
    rows: int | None, peer_rows: int, scratch: Path | None, in_memory: bool, verify: bool, only: str | None
) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    if only is not None and scratch is not None:
        print(json.dumps(export_here(scratch) if only == "export" else verify_here(scratch)))
        return
    rows = rows or (ROWS_IN_MEMORY if in_memory else ROWS_ON_DISK)
    peer_rows = min(peer_rows, rows)
    with tempfile.TemporaryDirectory(dir=MEMORY_FILE_SYSTEM if in_memory else scratch) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        needed = rows * BYTES_A_ROW + peer_rows * PEER_BYTES_A_ROW
        if free < needed:
            raise click.ClickException(
                f"{folder.parent} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB are needed;"
                " name another folder with --scratch, or fewer --rows"
            )
        run = make_run(folder / "run", rows)
        remember_digests(run)
        measured = measure(run, rows, peer_rows, folder, on_disk=not in_memory, verify=verify)
    where = " --in-memory" if in_memory else ""
    command = f"python -m benchmarks.export_speed{where} --rows {rows} --peer-rows {peer_rows}"
    record("export_speed_in_memory" if in_memory else "export_speed", command, measured)


if __name__ == "__main__":
    main()
