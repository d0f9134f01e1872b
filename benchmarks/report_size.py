"""Size of the report, time and memory to make it, and time until a browser has rendered it.

    python -m benchmarks.report_size 11000000 /tmp/large-run

Comes in: a number of images, a folder for a synthetic run (about 1.1 kB per image), which is made if it is
missing, and kept. Goes out: page size, seconds and peak memory of the process that makes the page, seconds
until Chromium has rendered it with its pictures. The run has the proportions of InternVL-SA-1B-Caption (one
ZH caption for eleven EN, 7 sets for 1,000 images) and 5 % duplicates. Every picture is noise, the worst case
for compression. Not its job: whether the page is right (see tests/report).
"""

from __future__ import annotations

import io
import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from benchmarks.record import record, refuse_dirty_tree
from tests.support.contexts import JOBS, context_of, limited
from triptych.progress import Lines
from triptych.report.write_report import report_file
from triptych.runs.checksums import sealed_line
from triptych.runs.folder import RunFolder
from triptych.runs.plan import JobPlan, Target
from triptych.sources.shard import FoundFile

IMAGES_PER_SHARD = 11_186
"""As in SA-1B."""
DIMENSIONS = 32
BYTES_AN_IMAGE = 1_200
IMAGES_PER_SET = 3
MAX_PAGE_BYTES = 10_000_000
MAX_RENDER_S = 3.0
RENDERINGS = 5
SENTENCE = "A red boat lies on the sand in front of a row of white houses, and two people walk past it. "


class NoiseShard:
    """A shard whose images are all the same picture."""

    archive_key: str | None = None
    file_count: int | None = None

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self._content = name, content

    def fingerprint(self) -> str:
        return self.name

    def files(self) -> Iterator[FoundFile]:
        return iter(())

    def read(self, key: str, offset_bytes: int | None, size_bytes: int) -> bytes:
        return self._content


def limit_of(job: str, images: int) -> int | None:
    """One Chinese caption for eleven English ones."""
    return images // 11 if job == "single_zh" else None


def make_run(path: Path, images: int) -> None:
    """Write images, embeddings, sets, duplicates, captions and verdicts as the stages would."""
    run = RunFolder.create_or_open(path)
    run.run_file.config = {
        "captioning": {"model": "InternVL2-Llama3-76B"},
        "embedding": {"model": "ViT-B-32"},
    }
    band = {"related_cosine_similarity": 0.75, "duplicate_cosine_similarity": 0.94}
    run.begin_stage("embeddings", {}, {})
    run.begin_stage("sets", band, {})
    rng = np.random.default_rng(1)
    with run.sets_file.open("w") as sets, run.duplicates_file.open("w") as duplicates:
        for number, start in enumerate(range(0, images, IMAGES_PER_SHARD)):
            shard = f"sa_{number:06d}"
            keys = [f"{shard}/sa_{i}.jpg" for i in range(start, min(start + IMAGES_PER_SHARD, images))]
            _write_images(run, shard, keys, rng)
            _write_groups(keys, sets, duplicates)
    run.finish_stage("embeddings")
    run.finish_stage("sets")
    run.begin_stage("captions", {"engine": "server"}, {})
    run.begin_stage("verdicts", {"max_repeated_share": 0.15}, {})
    for job in JOBS:
        for shard, targets in JobPlan(run, limited(job, limit_of(job, images))).shards():
            _write_captions(run, job, shard, targets)
    run.finish_stage("captions")
    run.finish_stage("verdicts")


def _write_images(run: RunFolder, shard: str, keys: list[str], rng: np.random.Generator) -> None:
    size = '"width_px":1500,"height_px":2250,"size_bytes":1000000'
    _write(
        run.images_file(shard),
        (f'{{"key":"{key}",{size},"content_hash":"{i:032x}"}}\n' for i, key in enumerate(keys)),
    )
    path = run.embeddings_file(shard)
    path.parent.mkdir(exist_ok=True)
    np.save(path, rng.normal(size=(len(keys), DIMENSIONS)).astype(np.float16))


def _write_groups(keys: list[str], sets: IO[str], duplicates: IO[str]) -> None:
    for i, key in enumerate(keys[19::20]):
        row = {
            "key": key,
            "of": keys[0],
            "reason": "near duplicate",
            "cosine_similarity": 0.94 + i % 60 / 1000,
        }
        duplicates.write(json.dumps(row) + "\n")
    free = [key for i, key in enumerate(keys) if i % 20 != 19]
    for i in range(len(keys) * 7 // 1000):
        group = free[i * IMAGES_PER_SET : (i + 1) * IMAGES_PER_SET]
        row = {"id": f"set_of_{group[0]}", "keys": group, "min_cosine_similarity": 0.75 + i % 19 / 100}
        sets.write(json.dumps(row | {"mean_cosine_similarity": 0.85}) + "\n")


def _write_captions(run: RunFolder, job: str, shard: str, targets: list[Target]) -> None:
    """Long captions, of which every 33rd is rejected."""
    text = SENTENCE * (12 if JOBS[job].is_multi else 5)
    _write(
        run.captions_file(job, shard),
        (
            sealed_line(
                f'{{"id":"{t.id}","job":"{job}","text":"{text}","finish_reason":"stop"}}'.encode()
            ).decode()
            for t in targets
        ),
    )
    _write(
        run.verdicts_file(job, shard),
        (
            f'{{"id":"{t.id}","keep":true}}\n'
            if i % 33
            else f'{{"id":"{t.id}","keep":false,"reason":"repeated",'
            f'"scores":{{"repeated":{0.16 + i % 71 / 100:.2f}}}}}\n'
            for i, t in enumerate(targets)
        ),
    )


def _write(path: Path, lines: Iterator[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.writelines(lines)


def measure(path: Path, images: int) -> dict[str, object]:
    """Make the page in this process."""
    from triptych.report.write_report import write_report

    run = RunFolder.open(path)
    noise = np.random.default_rng(2).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    sources = [NoiseShard(shard, buffer.getvalue()) for shard in run.shards()]
    jobs = [limited(job, limit_of(job, images)) for job in JOBS]
    began = time.monotonic()
    written = write_report(context_of(run, *jobs, progress=Lines()), sources, [])
    return {
        "images": images,
        "page_bytes": written.size_bytes,
        "pictures": written.pictures,
        "seconds": round(time.monotonic() - began, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def render_s(page: Path) -> float:
    """Median seconds from opening the file until it is laid out and painted."""
    from playwright.sync_api import sync_playwright

    from tests.support.browser import FLAGS, find_chromium

    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        for _ in range(RENDERINGS):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            opened = context.new_page()
            opened.goto(page.as_uri(), wait_until="load")
            painted = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
            rendered_ms: float = opened.evaluate(f"{painted}.then(() => performance.now())")
            times.append(rendered_ms / 1000)
            context.close()
        browser.close()
    return round(statistics.median(times), 2)


def main() -> None:
    """Measure in a new process and record the result; exit 1 if the page is too large or too slow."""
    refuse_dirty_tree()
    images, path = int(sys.argv[1]), Path(sys.argv[2])
    if len(sys.argv) > 3:
        print(json.dumps(measure(path, images)))
        return
    if not path.exists():
        needed, free = images * BYTES_AN_IMAGE, shutil.disk_usage(path.parent).free
        if free < needed:
            sys.exit(f"{path.parent} has {free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB are needed")
        make_run(path, images)
    command = [sys.executable, "-m", "benchmarks.report_size", str(images), str(path), "measure"]
    measured = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    measured["drawn_s"] = render_s(report_file(RunFolder.open(path)))
    limits = {"most_page_bytes": MAX_PAGE_BYTES, "most_drawn_s": MAX_RENDER_S}
    record("report_size", f"python -m benchmarks.report_size {images} FOLDER", {**measured, **limits})
    sys.exit(measured["page_bytes"] > MAX_PAGE_BYTES or measured["drawn_s"] > MAX_RENDER_S)


if __name__ == "__main__":
    main()
