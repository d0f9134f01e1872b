"""The cost of checksums and digests: when a journal is written, when it is read, and in an export.

    python -m benchmarks.checksum_cost [--rows 200000] [--scratch FOLDER]     # on a disk

Captions have the length of those of InternVL-SA-1B-Caption (see synthetic_run). Writing: batches are
committed to a journal, alternately with and without checksums. Reading: a journal is decoded with and
without. Export: the whole stage without remembered digests, and the share of it that only serves to detect
damage, namely the checksums of all lines, which are read twice, and the digests of images, sets, duplicates
and verdicts. All times are CPU time, except those of commits, which depend on the disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from benchmarks.record import record, refuse_dirty_tree
from benchmarks.stopwatch import Stopwatch
from benchmarks.synthetic_run import make_run
from tests.support.contexts import JOBS, context_of
from triptych.captioning.scheduler import BATCH_EVERY_S
from triptych.export.config import ExportConfig
from triptych.export.stage import export_run
from triptych.records import Caption
from triptych.runs import journal
from triptych.runs.checksums import is_intact, sealed_line
from triptych.runs.folder import RunFolder
from triptych.runs.journal import JournalWriter
from triptych.runs.jsonl import CHUNK_BYTES, decode_all

CAPTIONS_PER_S = 1_000
"""The rate that the cost of writing is compared with: more than a machine with eight GPUs reaches."""

BATCH = round(CAPTIONS_PER_S * BATCH_EVERY_S)
"""Captions per commit at that rate."""

TURNS = 5
COMMITS = 100


@click.command()
@click.option("--rows", default=200_000, show_default=True)
@click.option("--scratch", type=click.Path(path_type=Path, file_okay=False))
def main(rows: int, scratch: Path | None) -> None:
    """Measure and record the result."""
    refuse_dirty_tree()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        run = make_run(Path(folder) / "run", rows)
        journals = sorted((run.path / "captions").rglob("*.jsonl"))
        lines = journals[0].read_bytes()
        captions = decode_all(lines, Caption, are_sealed=True)
        measured: dict[str, object] = {
            "rows": rows,
            "bytes_a_line": round(len(lines) / len(captions)),
            "write": _writing(Path(folder), captions),
            "read": _reading(lines, len(captions)),
            "export": _exporting(run, journals),
            "wanted": {"share_of_captioning": 0.03, "share_of_export": 0.10},
        }
    record("checksum_cost", f"python -m benchmarks.checksum_cost --rows {rows}", measured)


def _writing(folder: Path, captions: list[Caption]) -> dict[str, object]:
    encoder = msgspec.json.Encoder()
    encoded = [encoder.encode(caption) for caption in captions[:5000]]
    seal_us = _best_us(lambda: [sealed_line(line) for line in encoded], len(encoded))
    took: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(TURNS):
        for kind, seal in (("with", sealed_line), ("without", lambda line: line + b"\n")):
            vars(journal)["sealed_line"] = seal
            with JournalWriter(folder / f"{kind}-{turn}.jsonl") as writer:
                began = time.perf_counter()
                for number in range(COMMITS):
                    writer.commit(captions[number : number + BATCH])
                took[kind].append((time.perf_counter() - began) / COMMITS)
    vars(journal)["sealed_line"] = sealed_line
    return {
        "checksum_us_a_caption": round(seal_us, 2),
        "captions_per_s": CAPTIONS_PER_S,
        "captions_in_a_commit": BATCH,
        "commit_ms": {kind: round(statistics.median(times) * 1e3, 3) for kind, times in took.items()},
        "share_of_captioning": round(seal_us * CAPTIONS_PER_S / 1e6, 5),
    }


def _reading(lines: bytes, count: int) -> dict[str, object]:
    with_us = _best_us(lambda: decode_all(lines, Caption, are_sealed=True), count)
    without_us = _best_us(lambda: decode_all(lines, Caption), count)
    return {
        "lines_per_s_with": round(1e6 / with_us),
        "lines_per_s_without": round(1e6 / without_us),
        "checksum_us_a_line": round(_best_us(lambda: is_intact(lines), count), 3),
    }


def _exporting(run: RunFolder, journals: list[Path]) -> dict[str, object]:
    chunks = [chunk for path in journals for chunk in _chunks(path.read_bytes())]
    with Stopwatch() as checksums:
        for chunk in chunks:
            is_intact(chunk)
    (run.path / ".digests.json").unlink(missing_ok=True)
    with Stopwatch() as digests:
        for name in ("images", "sets.jsonl", "duplicates.jsonl", "verdicts"):
            run.digest(name)
    (run.path / ".digests.json").unlink(missing_ok=True)
    with Stopwatch() as whole:
        export_run(context_of(RunFolder.open(run.path), JOBS["single_en"]), ExportConfig())
    both_s = 2 * checksums.cpu_s + digests.cpu_s
    return {
        "cpu_s": round(whole.cpu_s, 2),
        "checksums_cpu_s": round(2 * checksums.cpu_s, 3),
        "digests_cpu_s": round(digests.cpu_s, 3),
        "share_of_export": round(both_s / whole.cpu_s, 4),
    }


def _chunks(content: bytes) -> list[bytes]:
    """The pieces in which journals are read."""
    return [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]


def _best_us(work: Callable[[], object], count: int) -> float:
    """Microseconds per item, the minimum of several turns: the one that other processes disturbed least."""
    times_s = []
    for _ in range(TURNS * 3):
        began = time.process_time()
        work()
        times_s.append(time.process_time() - began)
    return min(times_s) / count * 1e6


if __name__ == "__main__":
    main()
