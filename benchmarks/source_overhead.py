"""The overhead of sources apart from decoding: finding files, and opening and reading shards.

    python -m benchmarks.source_overhead [FILES] [TARS]

Finds FILES empty files in nested folders, compared with ``os.walk`` and an ``os.stat`` per file, and reads
TARS tars like those of SA-1B (22 small members each), compared with ``tarfile``. Each is done RUNS times in a
new process; the figures are medians of CPU time.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.record import record, refuse_dirty_tree
from tests.support.pile import write_tar
from triptych.sources.opening import open_sources
from triptych.sources.shard import estimate_count

RUNS = 3
FILES_A_FOLDER = 1000
IMAGES_A_TAR = 11
IMAGE_BYTES = 20_000


def make_files(folder: Path, count: int) -> None:
    """Create empty files, two folders deep."""
    for start in range(0, count, FILES_A_FOLDER):
        inner = folder / f"{start // FILES_A_FOLDER // 100:03d}" / f"{start // FILES_A_FOLDER:06d}"
        inner.mkdir(parents=True)
        for number in range(start, min(start + FILES_A_FOLDER, count)):
            (inner / f"image_{number:09d}.jpg").touch()


def make_tars(folder: Path, count: int) -> None:
    """Create small tars with the layout of SA-1B's."""
    sizes: dict[str, int] = {}
    for image in range(IMAGES_A_TAR):
        sizes |= {f"sa_{image}.jpg": IMAGE_BYTES, f"sa_{image}.json": 200}
    members = {name: b"x" * size for name, size in sizes.items()}
    for tar in range(count):
        write_tar(folder / f"sa_{tar:06d}.tar", members)


def find_files(folder: str) -> int:
    """Find files like a run at its start."""
    shards = open_sources([Path(folder)])
    for shard in shards:
        shard.fingerprint()
    forecast = estimate_count(shards)
    return forecast.files if forecast is not None else 0


def walk_files(folder: str) -> int:
    """The minimum cost of finding files in Python."""
    count = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            os.stat(f"{parent}/{name}")  # noqa: PTH116
            count += 1
    return count


def read_tars(folder: str) -> int:
    """Read tars like a run, without decoding."""
    return sum(1 for shard in open_sources([Path(folder)]) for _ in shard.files())


def read_tars_plainly(folder: str) -> int:
    """Read the same images with ``tarfile`` alone."""
    count = 0
    for path in sorted(Path(folder).glob("*.tar")):
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                if member.name.endswith(".jpg"):
                    content = archive.extractfile(member)
                    assert content is not None and content.read()
                    count += 1
    return count


WORK: dict[str, Callable[[str], int]] = {
    each.__name__: each for each in (find_files, walk_files, read_tars, read_tars_plainly)
}


def measure(name: str, folder: Path, expected: int) -> tuple[float, float]:
    """Median CPU seconds, and median increase of peak memory in MiB."""
    runs = []
    for _ in range(RUNS):
        command = [sys.executable, "-m", "benchmarks.source_overhead", "--work", name, str(folder)]
        answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        if answer["found"] != expected:
            raise SystemExit(f"{name} found {answer['found']}, expected {expected}")
        runs.append((answer["cpu_s"], answer["rose_mib"]))
    return statistics.median(cpu for cpu, _ in runs), statistics.median(rose for _, rose in runs)


def work(name: str, folder: str) -> None:
    """Do it once in this process, and print time and memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    found = WORK[name](folder)
    cpu_s = time.process_time() - began
    rose = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"found": found, "cpu_s": cpu_s, "rose_mib": rose / 1024}))


@click.command()
@click.argument("files", default=200_000)
@click.argument("tars", default=200)
def main(files: int, tars: int) -> None:
    """Measure and record, in a temporary folder."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory() as scratch:
        make_files(Path(scratch, "files"), files)
        make_tars(Path(scratch, "tars"), tars)
        find_s, find_mib = measure("find_files", Path(scratch, "files"), files)
        walk_s, _ = measure("walk_files", Path(scratch, "files"), files)
        tars_s, _ = measure("read_tars", Path(scratch, "tars"), tars * IMAGES_A_TAR)
        plain_s, _ = measure("read_tars_plainly", Path(scratch, "tars"), tars * IMAGES_A_TAR)
    record(
        "source_overhead",
        f"python -m benchmarks.source_overhead {files} {tars}",
        {
            "files": files,
            "find_us_a_file": round(1e6 * find_s / files, 2),
            "walk_and_stat_us_a_file": round(1e6 * walk_s / files, 2),
            "times_as_long_as_walk_and_stat": round(find_s / walk_s, 2),
            "bytes_a_file": round(find_mib * 1024**2 / files),
            "tars": tars,
            "ms_a_tar": round(1e3 * tars_s / tars, 3),
            "tarfile_ms_a_tar": round(1e3 * plain_s / tars, 3),
            "times_as_long_as_tarfile": round(tars_s / plain_s, 2),
        },
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:])
    else:
        main()
