"""Millions of captions through export, against what one would write rows with otherwise.

    python -m benchmarks.export_speed [--rows 11000000] [--peer-rows 500000] [--scratch FOLDER]

Makes a run with captions of the seed's length (see synthetic_run), as `triptych filter` leaves it: digests
of images, sets and captions are remembered. Then measures in one sitting:

- ``export``: the whole stage (``export.stage.export_run``) in a process of its own, which reads images,
  captions and verdicts, recounts them, makes the rows, hashes, writes and syncs them;
- ``rows``: of that, making and writing the rows, from the run folder's files to the exported file;
- peers on the first ``--peer-rows`` of the exported rows, which are handed to each in memory, in the form
  that it wants, loaded beforehand: ``json.dumps`` line by line, ``pandas.DataFrame.to_json``, and
  ``datasets.Dataset.to_json`` in one process and in as many as there are cores. They neither read, join,
  hash, count nor sync anything, and take as long for each row however many there are.
- ``json_from_files``: the plain loop that reads the same three files a shard with ``json.loads`` and writes
  rows with ``json.dumps``, on the shards of the first ``--peer-rows``: the job of ``rows`` in plain Python.

Everything lies below ``--scratch`` and is removed at the end. 11 million rows need 28 GB there, and about a
quarter of an hour on two cores.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.record import record
from benchmarks.synthetic_run import ROWS_A_SHARD, make_run
from corpus.captioned import captions_digest
from corpus.progress import Silent
from corpus.records import JobName
from corpus.remembered import MIN_AGE_S
from corpus.runfolder import RunFolder

BYTES_A_ROW = 2_400
"""On disk: images, captions and verdicts 1,050, the export 1,010, and room."""

RUNS = 3
MIN_RATIO = 3.0
MAX_MEMORY_MIB = 600

JOB: JobName = "single_en"


class Stopwatch:
    """Wall seconds, and CPU seconds of this process and of the children that have ended."""

    def __enter__(self) -> Stopwatch:
        self._wall, self._cpu = time.perf_counter(), _cpu_s()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._wall
        self.cpu_s = _cpu_s() - self._cpu


def _cpu_s() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def seed_prompt() -> str:
    """The words that the seed's single EN captions answer."""
    from captioning.config import CaptioningConfig
    from captioning.prompts import load_prompts

    return load_prompts(CaptioningConfig().prompts)[JOB].text


def remember_digests(run: RunFolder) -> None:
    """What the stages before export leave in a run folder."""
    time.sleep(MIN_AGE_S)  # Files that were just written are not remembered.
    for name in ("images", "sets.jsonl", "duplicates.jsonl"):
        run.digest(name)
    captions_digest(run, [JOB], lambda job: None)


# -- the export, in a process of its own --------------------------------------------------------------


def export_here(folder: Path) -> dict[str, float]:
    """The whole stage on a run that was never exported; of it, the rows."""
    import export.build
    from export.config import ExportConfig
    from export.stage import export_run

    rows_watch = Stopwatch()
    write_rows = export.build.write_rows

    def timed(*arguments: object) -> object:
        with rows_watch:
            return write_rows(*arguments)

    export.build.write_rows = timed
    with Stopwatch() as whole:
        export_run(
            RunFolder.open(folder), ExportConfig(), {JOB: seed_prompt()}, lambda job: None, [JOB], Silent()
        )
    with Stopwatch() as again:
        run = RunFolder.open(folder)
        export_run(run, ExportConfig(), {JOB: seed_prompt()}, lambda job: None, [JOB], Silent())
    return {
        "export_s": whole.wall_s,
        "export_cpu_s": whole.cpu_s,
        "rows_s": rows_watch.wall_s,
        "rows_cpu_s": rows_watch.cpu_s,
        "again_s": again.wall_s,
    }


def verify_here(folder: Path) -> dict[str, float]:
    """`triptych verify`'s look at the export."""
    from export.check import check_export

    with Stopwatch() as watch:
        checks, offences = check_export(RunFolder.open(folder), Silent())
    if offences or not checks:
        raise SystemExit(f"verify found {offences[:1]}")
    return {"verify_s": watch.wall_s, "verify_cpu_s": watch.cpu_s}


def in_a_process(what: str, folder: Path) -> dict[str, float]:
    """Run ``export_here`` or ``verify_here`` alone; what it measured, and the peak of its memory."""
    command = [sys.executable, "-m", "benchmarks.export_speed", "--only", what, "--scratch", str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = _PeakMemory(child.pid)
    printed, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{what} failed")
    measured: dict[str, float] = json.loads(printed)
    return measured | {f"{what}_peak_memory_mib": round(peak.stop())}


class _PeakMemory:
    """The most that a process and its children had in memory at one time, looked at 20 times a second."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak_kib, self._over = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """In MiB."""
        self._over.set()
        self._thread.join()
        return self._peak_kib / 1024

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._peak_kib = max(self._peak_kib, sum(map(_rss_kib, _family(self._pid))))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in _family(int(child)))]


def _rss_kib(pid: int) -> int:
    """Resident memory, pages shared with other processes divided among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


# -- the peers ----------------------------------------------------------------------------------------


def json_dumps_loop(rows: list[dict[str, object]], path: Path) -> None:
    """Plain Python. The captions are ASCII, for which the default is faster than ensure_ascii=False."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")


def json_from_files(run: RunFolder, shards: list[str], prompt: str, path: Path) -> None:
    """What export does to the rows, without hashing them: read, join, write."""
    question = f"<image>\n{prompt}"
    with path.open("w", encoding="utf-8") as file:
        for shard in shards:
            with run.verdicts_file(JOB, shard).open(encoding="utf-8") as verdicts:
                kept = {verdict["id"] for verdict in map(json.loads, verdicts) if verdict["keep"]}
            with run.captions_file(JOB, shard).open(encoding="utf-8") as captions:
                texts = {caption["id"]: caption["text"] for caption in map(json.loads, captions)}
            with run.images_file(shard).open(encoding="utf-8") as images:
                for image in map(json.loads, images):
                    identifier = f"{JOB}:{image['key']}"
                    if identifier not in kept:
                        continue
                    row = {
                        "id": identifier,
                        "image": image["key"],
                        "width": image["width_px"],
                        "height": image["height_px"],
                        "conversations": [
                            {"from": "human", "value": question},
                            {"from": "gpt", "value": texts[identifier]},
                        ],
                    }
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")


def measure_peers(run: RunFolder, exported: Path, peer_rows: int, scratch: Path) -> dict[str, list[float]]:
    """``{peer: [wall seconds, CPU seconds]}``, medians over RUNS."""
    out = scratch / "peer.jsonl"
    with exported.open("rb") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(peer_rows), strict=False)]
    measured = {"json_dumps": _median(lambda: json_dumps_loop(rows, out), out)}
    measured["pandas_to_json"] = _measure_pandas(rows, out)
    measured |= _measure_datasets(rows, out, scratch)
    shards = run.shards()[: max(1, peer_rows // ROWS_A_SHARD)]
    joined = _median(lambda: json_from_files(run, shards, seed_prompt(), out), out)
    made = _count_same_rows(out, exported)
    measured["json_from_files"] = [value * peer_rows / made for value in joined]
    return measured


def _measure_pandas(rows: list[dict[str, object]], out: Path) -> list[float]:
    import pandas

    frame = pandas.DataFrame(rows)
    return _median(lambda: frame.to_json(out, orient="records", lines=True), out)


def _measure_datasets(rows: list[dict[str, object]], out: Path, scratch: Path) -> dict[str, list[float]]:
    """From disk, as datasets holds what it has loaded: one from memory is pickled whole for every batch."""
    import datasets

    datasets.disable_progress_bars()
    cores = len(os.sched_getaffinity(0))
    datasets.Dataset.from_list(rows).save_to_disk(scratch / "dataset")
    dataset = datasets.load_from_disk(scratch / "dataset")
    return {
        "datasets_to_json": _median(lambda: dataset.to_json(out), out),
        f"datasets_to_json_{cores}_processes": _median(lambda: dataset.to_json(out, num_proc=cores), out),
    }


def _count_same_rows(out: Path, exported: Path) -> int:
    """How many rows the plain loop made; each must be the exported one, but for blanks."""
    made = 0
    with out.open("rb") as file, exported.open("rb") as ours:
        for line, expected in zip(file, ours, strict=False):
            if json.loads(line) != json.loads(expected):
                raise SystemExit(f"row {made + 1} of the plain loop differs from export's")
            made += 1
    return made


def _median(write: Callable[[], object], out: Path) -> list[float]:
    walls, cpus = [], []
    for _ in range(RUNS):
        out.unlink(missing_ok=True)
        with Stopwatch() as watch:
            write()
        walls.append(watch.wall_s)
        cpus.append(watch.cpu_s)
    return [statistics.median(walls), statistics.median(cpus)]


# -- all of it ----------------------------------------------------------------------------------------


def result_of(
    rows: int, peer_rows: int, ours: dict[str, float], peers: dict[str, list[float]]
) -> dict[str, object]:
    """Rows a second, ratios and bounds."""
    wall = {name: round(peer_rows / seconds) for name, (seconds, _) in peers.items()}
    cpu = {name: round(peer_rows / seconds) for name, (_, seconds) in peers.items()}
    in_memory = [name for name in peers if name != "json_from_files"]
    fastest = max(wall[name] for name in in_memory)
    speeds = {"rows": rows / ours["rows_s"], "export": rows / ours["export_s"]}
    return {
        "rows": rows,
        "peer_rows": peer_rows,
        "runs_a_peer": RUNS,
        "load_average_at_end": os.getloadavg()[0],
        "ours": {name: round(value, 1) for name, value in ours.items()},
        "rows_per_s": {name: round(speed) for name, speed in speeds.items()} | wall,
        "rows_per_cpu_s": {
            "rows": round(rows / ours["rows_cpu_s"]),
            "export": round(rows / ours["export_cpu_s"]),
            **cpu,
        },
        "ratio_to_fastest_peer_in_memory": {
            name: round(speed / fastest, 2) for name, speed in speeds.items()
        },
        "ratio_to_json_from_files": {
            name: round(speed / wall["json_from_files"], 2) for name, speed in speeds.items()
        },
        "wanted": {"ratio": MIN_RATIO, "memory_mib": MAX_MEMORY_MIB},
    }


@click.command()
@click.option("--rows", default=11_000_000, show_default=True)
@click.option("--peer-rows", default=500_000, show_default=True)
@click.option("--scratch", type=click.Path(path_type=Path), help="Where there are 28 GB for 11 million rows.")
@click.option("--verify", is_flag=True, help="Measure `triptych verify`'s look at the export as well.")
@click.option("--only", type=click.Choice(["export", "verify"]), hidden=True)
def main(rows: int, peer_rows: int, scratch: Path | None, verify: bool, only: str | None) -> None:
    """Measure and commit the result."""
    if only is not None and scratch is not None:
        print(json.dumps(export_here(scratch) if only == "export" else verify_here(scratch)))
        return
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        free, needed = shutil.disk_usage(folder).free, rows * BYTES_A_ROW + min(peer_rows, rows) * 2_500
        if free < needed:
            raise click.ClickException(
                f"{folder.parent} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB are needed;"
                " name another folder with --scratch, or fewer --rows"
            )
        run = make_run(folder / "run", rows)
        remember_digests(run)
        ours = in_a_process("export", run.path)
        if verify:
            ours |= in_a_process("verify", run.path)
        (exported,) = run.export_folder.glob("*.jsonl")
        ours["bytes_a_row"] = exported.stat().st_size / rows
        peers = measure_peers(run, exported, min(peer_rows, rows), folder)
    command = f"python -m benchmarks.export_speed --rows {rows} --peer-rows {min(peer_rows, rows)}"
    record("export_speed", command, result_of(rows, min(peer_rows, rows), ours, peers))


if __name__ == "__main__":
    main()
